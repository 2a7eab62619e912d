"""Outputs that cannot be written: one line before the work begins, and nothing that was there is lost."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from relaytrack.reid import outputs
from relaytrack.reid.checkpoint import WeightsInfo, load_info, load_model, save_model
from relaytrack.reid.cli import main
from relaytrack.reid.errors import ReidOutputError
from relaytrack.reid.model import ModelSpec, build_model
from relaytrack.reid.outputs import check_folder, check_target, write_whole

SPEC = ModelSpec(height=32, width=32, embedding_dim=8)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("weights") / "tiny.safetensors", build_model(SPEC).eval())


def blocked(tmp_path: Path, suffix: str) -> list[Path]:
    """Places where no file can be made, whoever asks."""
    (tmp_path / "file").write_bytes(b"mine")
    folder = tmp_path / f"folder{suffix}"
    folder.mkdir(exist_ok=True)
    return [tmp_path / "file" / f"x{suffix}", folder, Path(f"/proc/nowhere/x{suffix}")]


@pytest.mark.parametrize(
    "command", ["embed", "rank", "export", "export onnx", "average", "calibrate", "train", "import"]
)
def test_every_command_says_so_in_one_line(
    command: str, weights: Path, people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suffix = {"embed": ".npz", "rank": ".png", "export onnx": ".onnx"}.get(command, ".safetensors")
    about = ["--dataset", "folder", "--root", people]
    for target in blocked(tmp_path, suffix):
        argv: list[object] = {
            "embed": ["embed", people, "--weights", weights, "--out", target],
            "rank": ["rank", people, people, "--weights", weights, "--out", target],
            "export": ["export", weights, target],
            "export onnx": ["export", weights, target],
            "average": ["average", weights, weights, "--out", target],
            "calibrate": ["calibrate", weights, *about, "--out", target],
            "import": ["import", weights, target],
            "train": [
                *("train", "debug", "--set", "data.sources.0.name=folder", "--set", f"data.sources.0.root={people}"),
                *("--set", f"run.out={target.parent if target.is_dir() else target}"),
            ],
        }[command]
        if command == "train" and target.is_dir():
            continue  # a folder is what it wants
        assert main([str(word) for word in argv]) == 2
        captured = capsys.readouterr()
        lines = [line for line in captured.err.splitlines() if line.startswith("relaytrack: error: ")]
        assert len(lines) == 1, captured.err
        assert "Traceback" not in captured.err
        assert captured.out == ""
        assert "cannot write" in lines[0]
        assert str(target) in lines[0] or str(target.parent) in lines[0]
    assert (tmp_path / "file").read_bytes() == b"mine"


def test_the_check_comes_before_the_work(
    weights: Path, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "relaytrack.reid.file_embeddings.embed_paths", lambda *_: pytest.fail("embedded before the check")
    )
    target = tmp_path / "folder.npz"
    target.mkdir()
    assert main(["embed", str(people), "--weights", str(weights), "--out", str(target)]) == 2
    assert main(["rank", str(people), str(people), "--weights", str(weights), "--out", str(tmp_path / "x.doc")]) == 2


def test_a_full_disk_leaves_the_old_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_model(tmp_path / "w.safetensors", build_model(SPEC).eval(), WeightsInfo(name="old"))

    def full(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(bytes(data)[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(outputs.Path, "write_bytes", full)
    with pytest.raises(ReidOutputError, match=r"cannot write .*w\.safetensors: No space left on device"):
        save_model(path, build_model(SPEC), WeightsInfo(name="new"))
    assert load_info(path).name == "old"
    load_model(path)
    assert [file.name for file in tmp_path.iterdir()] == ["w.safetensors"], "no part of a file stays behind"


def test_logs_that_cannot_be_written_do_not_end_a_training(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TensorBoard's own writer fails in a thread, with a traceback."""
    from relaytrack.reid.training import logs

    steps = Path.open

    def full(self: Path, mode: str = "r", **more: object) -> object:
        return steps(Path("/dev/full") if "w" in mode else self, mode, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", full)
    run_log = logs.RunLog(tmp_path, 2)
    run_log.open()
    for step in (1, 2):
        run_log.step(step, {"loss": 1.0}, progress=0.5, show=True)
    run_log.close()
    said = [record.getMessage() for record in caplog.records]
    assert said == [f"the logs in {tmp_path} are not complete: No space left on device"]


def test_tensorboard_reads_the_curves(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    from relaytrack.reid.training.board import Board

    board = Board(tmp_path)
    for step in (1, 2):
        board.draw("train", step, {"loss": 1.0 / step})
    board.close()
    read = accumulator.EventAccumulator(str(tmp_path))
    read.Reload()
    assert [(event.step, event.value) for event in read.Scalars("train/loss")] == [(1, 1.0), (2, 0.5)]


def test_the_picture_of_a_benchmark_is_checked_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It was drawn as NAME.png without a word, or not at all."""
    known = tmp_path / "known.json"
    known.write_text("{}")
    assert main(["bench", "--accuracies", str(known), "--plot", str(tmp_path / "name")]) == 2
    assert "the name must end in .png" in capsys.readouterr().err
    assert main(["bench", "--plot", str(tmp_path / "name.png")]) == 2
    assert "give --accuracies too" in capsys.readouterr().err


def test_links_devices_and_modes(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    link.symlink_to(real)
    write_whole(link, b"one")
    assert link.is_symlink()
    assert real.read_bytes() == b"one"
    plain = tmp_path / "plain"
    plain.write_bytes(b"")
    assert real.stat().st_mode == plain.stat().st_mode, "readable for whom the umask lets"
    write_whole(Path("/dev/null"), b"gone")
    check_target(Path("/dev/null"))
    with pytest.raises(ReidOutputError, match="it is a file, not a folder"):
        check_folder(real)
    with pytest.raises(ReidOutputError, match="it is a folder"):
        check_target(tmp_path)
    check_target(tmp_path / "new" / "deep" / "x")
    assert (tmp_path / "new" / "deep").is_dir()


def test_training_goes_on_when_a_checkpoint_does_not_fit(
    people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from relaytrack.reid.training import checkpoints

    calls: list[str] = []

    def sometimes(path: Path, data: bytes | memoryview) -> None:
        calls.append(path.name)
        if calls.count("last.pt") == 1 and path.name == "last.pt":
            raise ReidOutputError(f"cannot write {path}: No space left on device")
        write_whole(path, data)

    monkeypatch.setattr(checkpoints, "write_whole", sometimes)
    settings = [
        "data.sources.0.name=folder",
        f"data.sources.0.root={people}",
        "data.identities=4",
        "data.images=2",
        "model.height=32",
        "model.attention=none",
        "run.device=cpu",
        "run.iterations=2",
        "run.save_every=1",
        "run.norm_batches=1",
        f"run.out={tmp_path}",
    ]
    assert main(["train", "debug", *(word for setting in settings for word in ("--set", setting))]) == 0
    assert "step 1: cannot write" in caplog.text
    assert "the training goes on" in caplog.text
    assert (tmp_path / "last.pt").is_file()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_and_a_used_up_quota_are_found_before_the_work(
    number: int, weights: Path, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """Fault: a full disk takes new files as long as they are empty, and was found when all had been computed."""

    def full(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(outputs.os, "posix_fallocate", full)
    monkeypatch.setattr("relaytrack.reid.calibrating.embeddings_of", lambda *_: pytest.fail("embedded first"))
    monkeypatch.setattr("relaytrack.reid.file_embeddings.embed_paths", lambda *_: pytest.fail("embedded first"))
    monkeypatch.setattr("relaytrack.reid.averaging.average_networks", lambda *_: pytest.fail("averaged first"))
    about = ["--dataset", "folder", "--root", str(people)]
    for argv in (
        ["calibrate", str(weights), *about],
        ["embed", str(people), "--weights", str(weights), "--out", str(tmp_path / "e.npz")],
        ["average", str(weights), str(weights), "--out", str(tmp_path / "a.safetensors")],
    ):
        assert main(argv) == 2
        folder = tmp_path if "--out" in argv else weights.parent
        lines = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
        assert lines == [f"relaytrack: error: cannot write to {folder}: {os.strerror(number)}"]


def test_there_must_be_room_for_a_file_as_large_as_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(outputs.os, "posix_fallocate", lambda _, begin, size: asked.append(size))
    like = tmp_path / "weights.onnx"
    like.write_bytes(bytes(100_000))
    outputs.check_target(tmp_path / "new.onnx", like=like)
    outputs.check_target(tmp_path / "new.npz")
    assert asked == [100_000, 1 << 16]
    assert [path.name for path in tmp_path.iterdir()] == ["weights.onnx"]


def test_a_log_that_a_kill_has_cut_goes_on_after_its_last_whole_line(tmp_path: Path) -> None:
    """Fault: what was left of a step's number was taken for an early step, and spoiled the curves."""
    from relaytrack.reid.training import curves, logs

    first = logs.RunLog(tmp_path, 30)
    first.open()
    for step in range(1, 25):
        first.step(step, {"loss": 1.0 / step}, progress=0.5, show=False)
    first.close()
    steps = tmp_path / "steps.csv"
    steps.write_text(steps.read_text()[:-30].rpartition("\n")[0] + "\n2")  # of step 23 or 24
    again = logs.RunLog(tmp_path, 30)
    again.open(20)
    again.step(21, {"loss": 0.5}, progress=0.6, show=False)
    again.close()
    assert curves.read_columns(steps)["step"].tolist() == [*range(1, 22)]
