"""NanoDet with 8-bit integers."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from relaytrack.pipeline.config.loading import load_config
from relaytrack.pipeline.config.schema import DetectorConfig
from relaytrack.pipeline.errors import DetectorError
from relaytrack.pipeline.perception.detectors import nanodet
from relaytrack.pipeline.perception.detectors.nanodet import bundled_weights, create_nanodet, weights_of
from relaytrack.pipeline.perception.detectors.nanodet_int8 import make_int8
from relaytrack.pipeline.records import Frame, Image
from relaytrack.trackers.boxes import iou


def settings(**values: object) -> DetectorConfig:
    return load_config(data={"detector": values}).detector


@pytest.fixture(scope="module")
def pictures(samples: Path) -> list[Image]:
    capture = cv2.VideoCapture(str(samples / "east.mp4"))
    found = []
    for _ in range(5):
        for _ in range(25):
            there, image = capture.read()
        assert there
        found.append(np.ascontiguousarray(image[..., ::-1], np.uint8))
    capture.release()
    return found


def test_it_finds_the_same_people(pictures: list[Image]) -> None:
    exact, small = (create_nanodet(settings(precision=one), "cpu", 2) for one in ("fp32", "int8"))
    assert (exact.precision, small.precision) == ("fp32", "int8")
    frames = [Frame("a", number, 0.0, image) for number, image in enumerate(pictures, 1)]
    sure = matched = 0
    for ours, theirs in zip(small.detect(frames), exact.detect(frames), strict=True):
        clear = theirs.scores >= 0.5
        sure += int(clear.sum())
        near = iou(theirs.xyxy[clear], ours.xyxy)
        best = near.argmax(axis=1)
        matched += int(((near.max(axis=1) > 0.8) & (np.abs(ours.scores[best] - theirs.scores[clear]) < 0.12)).sum())
    assert sure >= 10
    assert matched >= 0.9 * sure


def test_it_can_be_made_anew(samples: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    target = make_int8(tmp_path / "net_int8.onnx", {str(samples / "west.mp4"): [128]})
    assert target.stat().st_size < 0.6 * bundled_weights().stat().st_size
    copied = tmp_path / "net_fp16.onnx"
    copied.write_bytes(bundled_weights().read_bytes())
    assert create_nanodet(settings(weights=str(copied), precision="int8"), "cpu", 1).precision == "int8"
    assert create_nanodet(settings(weights=str(copied)), "cpu", 1).precision == "fp32", "own weights are not exchanged"


def test_which_file_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(nanodet, "cpu_has_int8", lambda: True)
    assert weights_of(settings(), "cpu") == bundled_weights("int8")
    assert weights_of(settings(), "cuda") == bundled_weights()
    assert weights_of(settings(precision="fp32"), "cpu") == bundled_weights()
    monkeypatch.setattr(nanodet, "cpu_has_int8", lambda: False)
    assert weights_of(settings(), "cpu") == bundled_weights()
    assert weights_of(settings(precision="int8"), "cpu") == bundled_weights("int8")
    with pytest.raises(DetectorError, match=r"detector\.precision: int8 is for the CPU, and the detector runs on cuda"):
        weights_of(settings(precision="int8"), "cuda")
    own = tmp_path / "own.onnx"
    own.write_bytes(b"")
    with pytest.raises(DetectorError, match=r"detector\.precision: there is no own_int8\.onnx beside"):
        weights_of(settings(precision="int8", weights=str(own)), "cpu")


def test_where_it_comes_from_is_written_down() -> None:
    path = bundled_weights("int8")
    provenance = (path.parent / "PROVENANCE.md").read_text()
    assert hashlib.sha256(path.read_bytes()).hexdigest() in provenance
