"""`relaytrack reid adapt`: weights learn further from crops of nobody known, on small networks."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from support.reid_command import fails
from support.teaching import SPEC, write_crop

from relaytrack.reid.checkpoint import load_info, load_model
from relaytrack.reid.cli import main
from relaytrack.reid.training import adapting, site_crops


def test_adapt_writes_weights_that_say_where_they_come_from(
    crops: Path, student: Path, teacher: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "site.safetensors"
    argv = ["adapt", crops, "--out", out, "--weights", student, "--teacher", teacher, "--device", "cpu"]
    assert main([str(word) for word in [*argv, "--iterations", 3, "--batch", 16]]) == 0
    text = capsys.readouterr().out
    assert "42 crops; on 6 others" in text
    assert "loser to the teacher" in text, "the verdict"
    info = load_info(out)
    assert (info.threshold, info.licence) == (0.4, "mine")
    assert "42 crops of a site" in info.dataset
    assert str(crops) not in info.recipe
    assert load_model(out).spec == SPEC
    projections = [load_model(path).state_dict()["head.project.weight"] for path in (out, student)]
    assert not torch.equal(*projections)


def test_the_verdict_is_on_crops_that_were_not_learned_from() -> None:
    closer = adapting.AdaptReport(Path("x"), 42, 6, before=(0.3, 0.2), after=(0.2, 0.25))
    assert closer.better
    assert not adapting.AdaptReport(Path("x"), 42, 6, before=(0.3, 0.2), after=(0.25, 0.3)).better


def test_bad_input_of_adapt(
    crops: Path,
    student: Path,
    teacher: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(site_crops, "cut_from_run", None)  # the pipeline's command sets it for the whole process
    few, run = tmp_path / "few", tmp_path / "run"
    few.mkdir()
    write_crop(few / "a.png", 0)
    run.mkdir()
    (run / "run.json").write_text("{}")
    (tmp_path / "other.onnx").write_bytes(b"nothing")
    out = tmp_path / "out.safetensors"
    base = ["adapt", crops, "--out", out, "--weights", student, "--teacher", teacher]
    assert "no folder" in fails(capsys, "adapt", tmp_path / "none", "--out", out)
    assert "1 crops in" in fails(capsys, "adapt", few, "--out", out)
    assert "has no crops (output.crops) " in fails(capsys, "adapt", run, "--out", out)
    assert "must end in .safetensors" in fails(capsys, "adapt", crops, "--out", tmp_path / "x.onnx")
    assert "weights not found: gone.onnx" in fails(capsys, *base, "--teacher", "gone.onnx")
    assert "cannot read the network" in fails(capsys, *base, "--teacher", tmp_path / "other.onnx")
    assert "cannot be trained further" in fails(capsys, *base, "--weights", teacher)
    assert "--iterations must be at least 1" in fails(capsys, *base, "--iterations", 0)
    assert "cannot write" in fails(capsys, *base, "--out", few / "a.png" / "x.safetensors")
    assert not out.exists()


def test_further_crops_come_from_whoever_knows_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    (run / "crops").mkdir(parents=True)
    (run / "run.json").write_text("{}")
    write_crop(run / "crops" / "1.jpg", 0)

    def cut(folder: Path, target: Path) -> int:
        assert folder == run
        target.mkdir(parents=True)
        for number in range(40):
            write_crop(target / f"{number}.jpg", number)
        return 40

    monkeypatch.setattr(site_crops, "cut_from_run", cut)
    assert len(site_crops.crops_of([run], tmp_path / "scratch")) == 41


def test_the_default_teacher_is_the_best_of_the_others() -> None:
    from relaytrack.reid.installed import default_weights, find_weights

    assert adapting.default_teacher(default_weights()) == "retail-0286"
    assert adapting.default_teacher(find_weights("retail-0286")) == "relaytrack-default"


def test_adapt_takes_the_crops_that_can_be_decoded_where_they_are_fewer_than_a_batch(
    crops: Path, student: Path, teacher: Path, tmp_path: Path
) -> None:
    """Fault: with as many crops as a batch has and one of them damaged, nothing was adapted."""
    site = tmp_path / "site"
    site.mkdir()
    for path in sorted(crops.iterdir())[:36]:
        (site / path.name).write_bytes(path.read_bytes())
    for name in ("001.png", "002.png"):
        (site / name).write_bytes(b"no picture")
    out = tmp_path / "site.safetensors"
    argv = ["adapt", site, "--out", out, "--weights", student, "--teacher", teacher, "--device", "cpu"]
    assert main([str(word) for word in [*argv, "--iterations", 1, "--batch", 32]]) == 0
    assert "29 crops of a site" in load_info(out).dataset
