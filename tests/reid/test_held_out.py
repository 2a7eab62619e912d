"""Held-out people that cannot be used: known before the first step, and never a reason to lose the weights."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from support.crops import write_crops

from relaytrack.reid.checkpoint import load_info, load_model
from relaytrack.reid.cli import main
from relaytrack.reid.datasets.base import Split
from relaytrack.reid.training.held_out import usable, why_not_scored

HELD = (0, 7)  # every seventh identity of those that `people` makes


def people(root: Path, count: int = 10, cameras: tuple[int, ...] = (1, 2), shots: int = 3) -> Path:
    names = [f"{number:02d}" for number in range(count)]
    return write_crops(root, names, name="{person}_{camera}_{shot}.jpg", cameras=cameras, shots=shots)


def train(root: Path, out: Path, *more: str) -> int:
    settings = [
        "data.sources.0.name=folder",
        f"data.sources.0.root={root}",
        "data.identities=4",
        "data.images=2",
        "model.height=32",
        "model.attention=none",
        "run.threads=1",
        "run.device=cpu",
        f"run.out={out}",
        "run.iterations=1",
        "run.norm_batches=1",
        *more,
    ]
    return main(["train", "debug", *(word for setting in settings for word in ("--set", setting))])


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])


def test_unreadable_pictures_are_left_out_with_a_count_before_the_first_step(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = people(tmp_path / "people")
    cut(root / "00_1_1.jpg")
    (root / "07_2_0.jpg").write_bytes(b"")
    assert train(root, tmp_path / "out") == 0
    messages = [record.getMessage() for record in caplog.records]
    said = next(text for text in messages if "held-out" in text)
    assert said.startswith("2 held-out images cannot be decoded and are left out, the first is ")
    assert "00_1_1.jpg" in said
    info = load_info(tmp_path / "out" / "weights.safetensors")
    assert info.threshold is not None
    assert info.results["validation/queries"] == 4


@pytest.mark.parametrize(
    ("cameras", "shots", "count", "reason"),
    [
        ((1,), 3, 10, "none of them is seen by two cameras"),
        ((1, 2), 1, 10, "none of them is seen by two cameras with two images in one of them"),
        ((1, 2), 3, 7, "their number is 1"),
    ],
)
def test_people_without_a_score_are_named_before_the_first_step_and_weights_are_written(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    cameras: tuple[int, ...],
    shots: int,
    count: int,
    reason: str,
) -> None:
    root = people(tmp_path / "people", count, cameras, shots)
    assert train(root, tmp_path / "out") == 0
    assert f"the held-out people cannot be scored: {reason}" in caplog.text
    weights = tmp_path / "out" / "weights.safetensors"
    assert load_info(weights).threshold is None
    load_model(weights)


def test_a_picture_that_vanishes_while_the_run_trains_costs_the_threshold_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from relaytrack.reid.training.trainer import Trainer

    root = people(tmp_path / "people")
    learn = Trainer._learn

    def learn_and_lose(self: Trainer, *args: object) -> dict[str, float]:
        (root / "00_1_0.jpg").unlink()
        return learn(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Trainer, "_learn", learn_and_lose)
    assert train(root, tmp_path / "out") == 0
    assert "no validation at step 1: cannot read image" in caplog.text
    assert "the weights get no threshold: cannot read image" in caplog.text
    load_model(tmp_path / "out" / "weights.safetensors")


def test_all_of_them_unreadable(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = people(tmp_path / "people")
    for identity in HELD:
        for path in root.glob(f"{identity:02d}_*"):
            path.write_bytes(b"nothing")
    assert train(root, tmp_path / "out") == 0
    assert "12 held-out images cannot be decoded" in caplog.text
    assert "cannot be scored: their number is 0" in caplog.text


def test_calibrate_and_eval_leave_unreadable_held_out_pictures_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    root = people(tmp_path / "people")
    assert train(root, tmp_path / "out", "data.validation=none") == 0
    cut(root / "00_1_1.jpg")
    weights = tmp_path / "out" / "weights.safetensors"
    about = ["--dataset", "folder", "--root", str(root)]
    caplog.set_level(logging.WARNING)
    assert main(["calibrate", str(weights), *about]) == 0
    assert main(["eval", "--weights", str(weights), *about, "--validation"]) == 0
    assert caplog.text.count("1 held-out images cannot be decoded and are left out") == 2
    assert load_info(weights).threshold is not None


def test_export_of_a_checkpoint_passes_over_an_unreadable_training_image(tmp_path: Path) -> None:
    root = people(tmp_path / "people")
    cut(root / "01_1_1.jpg")
    assert train(root, tmp_path / "out") == 0
    assert main(["export", str(tmp_path / "out" / "last.pt"), str(tmp_path / "early.safetensors")]) == 0


def test_reasons() -> None:
    def split(*rows: tuple[int, int]) -> Split:
        return Split.of([(Path("x.jpg"), identity, camera) for identity, camera in rows])

    assert why_not_scored(split((1, 1), (1, 2), (1, 2), (2, 1))) is None
    assert "seen by two cameras" in str(why_not_scored(split((1, 1), (1, 1), (2, 2), (2, 2))))
    assert "is 1" in str(why_not_scored(split((1, 1), (1, 2), (1, 2), (-1, 1))))
    assert usable(None) is None


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (1, "0 people are there to learn from (1 more held out for validation, see data.validation), too few"),
        (2, "1 person is there to learn from (1 more held out for validation, see data.validation), too few"),
    ],
)
def test_too_few_people_are_counted_with_those_who_are_held_out(
    tmp_path: Path, count: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fault: a folder of one person was said to have "0 identities"."""
    assert train(people(tmp_path / "people", count), tmp_path / "out") == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out" / "weights.safetensors").exists()
