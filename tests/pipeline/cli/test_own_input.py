"""A command never writes over what it reads; fault: recordings, crops and weights were lost, with exit code 0."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.finished_run import finished_run

from relaytrack.pipeline.cli.main import main
from relaytrack.pipeline.render.encoder import Encoder

_POINTS = "0,0,0,0\n50,0,1,0\n50,50,1,1\n0,50,0,1\n"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with one file of each kind."""
    encoder = Encoder(tmp_path / "a.mp4", crf=20)
    for index in range(3):
        encoder.write(np.full((64, 64, 3), 90, np.uint8), index / 5)
    encoder.close()
    os.link(tmp_path / "a.mp4", tmp_path / "same.mp4")
    (tmp_path / "link.mp4").symlink_to("a.mp4")
    (tmp_path / "people").mkdir()
    cv2.imwrite(str(tmp_path / "people" / "q.jpg"), np.full((64, 32, 3), 90, np.uint8))
    (tmp_path / "points.csv").write_text(_POINTS)
    (tmp_path / "det.txt").write_text("1,-1,2,2,20,40,1\n")
    for name in ("w.safetensors", "w.onnx", "w.xml"):
        (tmp_path / name).write_bytes(b"weights")
    return tmp_path


def _files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "words",
    [
        "track --video a.mp4 --out a.mp4",
        "track --video a.mp4 --out ./people/../same.mp4",
        "track --video a.mp4 --out link.mp4",
        "track --video link.mp4 --out a.mp4",
        "track --video a.mp4 --detections det.txt --out det.txt",
        "track --frames people --out people/q.jpg",
        "cache --video a.mp4 --no-embeddings --out a.mp4",
        "cache --video a.mp4 --embedder-weights w.onnx --out w.onnx",
        "calibrate --image people/q.jpg --points points.csv --out points.csv",
        "calibrate --image people/q.jpg --points points.csv --picture people/q.jpg --out g.yaml",
        "search --run people --image people/q.jpg --sheet people/q.jpg",
        "reid rank people/q.jpg people --out people/q.jpg",
        "reid export w.safetensors w.safetensors",
        "reid import w.onnx w.onnx",
        "reid average w.safetensors --out w.safetensors",
        "reid embed people --weights w.onnx --out people/../w.npz",
    ],
)
def test_the_input_stays(
    here: Path, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(here)
    if "w.npz" in words:
        os.link("w.onnx", "w.npz")
    before = _files(here)
    assert main(words.split()) == 2
    assert "would be lost; write to another file" in capsys.readouterr().err
    assert _files(here) == before


def test_what_an_earlier_run_wrote_is_not_read_and_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = finished_run(tmp_path)
    before = _files(folder)
    for source in (folder / "video" / "a.mp4", folder / "crops", tmp_path / "clip.mp4"):
        if source.name == "clip.mp4":
            source.symlink_to(folder / "video" / "a.mp4")
        assert main(["run", "--source", f"a={source}", "--out", str(folder), "--overwrite"]) == 2
        assert "overwriting would remove what camera 'a' is read from" in capsys.readouterr().err
    boxes = ["--set", "detector.backend=file", "--set", f"cameras.0.detections={folder / 'tracks' / 'a.txt'}"]
    words = ["run", "--source", f"a={tmp_path / 'a.mp4'}", *boxes, "--out", str(folder), "--overwrite"]
    assert main(words) == 2
    assert "overwriting would remove" in capsys.readouterr().err
    assert _files(folder) == before


def test_recordings_beside_the_results_may_stay_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = finished_run(tmp_path)
    shutil.copy(tmp_path / "a.mp4", folder / "own.mp4")
    words = ["run", "--source", f"a={folder / 'own.mp4'}", "--out", str(folder), "--overwrite"]
    assert main([*words, "--set", "detector.weights=gone.onnx"]) == 2
    assert "detector.weights: no such file: gone.onnx" in capsys.readouterr().err
