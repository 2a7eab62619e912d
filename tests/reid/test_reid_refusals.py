"""`relaytrack reid` and input that is of no use: one line that says what is wrong."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from support.reid_command import fails

from relaytrack.reid.cli import main


def test_bad_input_is_answered_in_one_line(
    capsys: pytest.CaptureFixture[str], tiny_weights: Path, people: Path, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    known = ("--weights", tiny_weights)
    assert "unknown data set 'markt1501', did you mean market1501" in fails(
        capsys, "eval", *known, "--dataset", "markt1501", "--root", people
    )
    assert "no folder" in fails(capsys, "eval", *known, "--root", tmp_path / "nowhere")
    assert "no images in" in fails(capsys, "embed", empty, *known)
    assert "no folder" in fails(capsys, "embed", tmp_path / "nowhere", *known)
    assert "weights not found" in fails(capsys, "embed", people, "--weights", tmp_path / "none.safetensors")
    assert ".npz or .parquet" in fails(capsys, "embed", people, *known, "--out", tmp_path / "e.txt")
    assert "must end in .onnx or .safetensors" in fails(capsys, "export", tiny_weights, tmp_path / "x.bin")
    assert "is no training checkpoint" in fails(capsys, "export", tiny_weights, tmp_path / "x.safetensors")
    assert "unknown attention 'rga'" in fails(
        capsys,
        "train",
        "debug",
        "--set",
        "model.attention=rga",
        "--set",
        "data.sources.0.name=folder",
        "--set",
        f"data.sources.0.root={people}",
        "--set",
        f"run.out={tmp_path / 'out'}",
    )
    assert "unknown key 'model.atention', did you mean 'attention'?" in fails(
        capsys, "train", "debug", "--set", "model.atention=rga_s"
    )
    assert "no configuration lihgt" in fails(capsys, "train", "lihgt")


def test_a_corrupt_image_is_an_error_in_evaluation(
    capsys: pytest.CaptureFixture[str], tiny_weights: Path, people: Path, tmp_path: Path
) -> None:
    root = tmp_path / "people"
    shutil.copytree(people, root)
    (root / "0003_c1s1_0.png").write_bytes(b"broken")
    line = fails(capsys, "eval", "--weights", tiny_weights, "--dataset", "folder", "--root", root)
    assert "cannot decode image" in line
    assert "0003_c1s1_0.png" in line


def test_weights_of_another_network_are_refused(
    capsys: pytest.CaptureFixture[str], tiny_weights: Path, people: Path, tmp_path: Path
) -> None:
    from safetensors import safe_open
    from safetensors.torch import save_file

    with safe_open(str(tiny_weights), "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        beside = file.metadata()
    tensors.pop(next(name for name in tensors if name.startswith("attention")))
    other = tmp_path / "other.safetensors"
    save_file(tensors, str(other), beside)
    assert "belongs to another network" in fails(capsys, "embed", people, "--weights", other)


def test_pictures_of_which_none_can_be_decoded_are_an_error(
    capsys: pytest.CaptureFixture[str], tiny_weights: Path, tmp_path: Path
) -> None:
    for name in ("a_1_0", "a_2_0", "b_1_0", "b_2_0"):
        (tmp_path / f"{name}.jpg").write_text("no picture")
    network = tmp_path / "network.onnx"
    assert main(["export", str(tiny_weights), str(network)]) == 0
    for file in (tiny_weights, network):
        line = fails(capsys, "calibrate", file, "--root", tmp_path, "--all", "--out", tmp_path / f"new{file.suffix}")
        assert "none of the 4 images can be decoded" in line
        fails(capsys, "eval", "--weights", file, "--dataset", "folder", "--root", tmp_path, "--validation")


def test_people_who_cannot_be_scored_are_told_with_the_reason(
    capsys: pytest.CaptureFixture[str], tiny_weights: Path, tmp_path: Path
) -> None:
    """Fault: "no query has a match in the gallery", after all pictures had been described."""
    for person in range(9):
        for picture in range(2):
            assert cv2.imwrite(str(tmp_path / f"{person}_1_{picture}.png"), np.full((32, 16, 3), person, np.uint8))
    said = "folder, validation: the people cannot be scored: none of them is seen by two cameras"
    assert said in fails(
        capsys, "eval", "--weights", tiny_weights, "--dataset", "folder", "--root", tmp_path, "--validation"
    )
    assert "folder: the people cannot be scored" in fails(capsys, "calibrate", tiny_weights, "--root", tmp_path)


def test_pictures_of_a_list_that_are_not_there_are_called_so(
    caplog: pytest.LogCaptureFixture, tiny_weights: Path, tmp_path: Path
) -> None:
    rows = [f"x/{person}_{camera}.png,{person},{camera}" for person in range(9) for camera in (1, 2)]
    (tmp_path / "own.csv").write_text("path,id,camera\n" + "\n".join(rows) + "\n")
    words = ("eval", "--weights", tiny_weights, "--dataset", "csv", "--root", tmp_path / "own.csv", "--validation")
    assert main([*map(str, words)]) == 2
    assert "held-out images are not there and are left out" in caplog.text


def test_ctrl_c_before_the_first_step_promises_nothing(
    capsys: pytest.CaptureFixture[str], people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault: "relaytrack: ; go on with --resume", where nothing had been saved."""

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("relaytrack.reid.training.start.prepare", stopped)
    assert main(["train", "debug", "--set", f"run.out={tmp_path / 'o'}"]) == 130
    assert capsys.readouterr().err == "relaytrack: interrupted\n"


def test_average_writes_no_weights_under_another_ending(
    capsys: pytest.CaptureFixture[str], tiny_weights: Path, tmp_path: Path
) -> None:
    assert "must end in .safetensors" in fails(capsys, "average", tiny_weights, "--out", tmp_path / "mean.onnx")
    assert not (tmp_path / "mean.onnx").exists()


def test_a_file_that_is_no_checkpoint_is_said_without_advice_to_read_it_unsafely(
    capsys: pytest.CaptureFixture[str], tiny_weights: Path, tmp_path: Path
) -> None:
    (tmp_path / "junk.pt").write_bytes(b"junk" * 9)
    torch.save({"step": 3}, tmp_path / "other.pt")
    whole = (tmp_path / "other.pt").read_bytes()
    (tmp_path / "cut.pt").write_bytes(whole[: len(whole) // 2])
    for name in ("junk", "other", "cut"):
        line = fails(capsys, "average", tmp_path / f"{name}.pt", "--out", tmp_path / "mean.safetensors")
        assert f"{name}.pt is no training checkpoint" in line
        assert "weights_only" not in line
    for name in ("junk", "cut"):
        line = fails(capsys, "import", tmp_path / f"{name}.pt", tmp_path / "mean.safetensors")
        assert "not a file of plain tensors, or a damaged one" in line


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--batch", "0"),
        ("--steps", "0"),
        ("--minutes", "-1"),
        ("--lr", "nan"),
        ("--every", "0"),
        ("--save-minutes", "0"),
        ("--seed", "-1"),
        ("--people", "-1"),
        ("--warmup", "0"),
    ],
)
def test_guide_refuses_numbers_before_it_loads_anything(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, option: str, value: str
) -> None:
    line = fails(capsys, "guide", "--teacher", tmp_path / "none.onnx", "--out", tmp_path, option, value)
    assert option in line
