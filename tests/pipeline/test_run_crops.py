"""Crops cut from a finished run's recordings for `relaytrack reid adapt`."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.postprocess import run_crops
from relaytrack.pipeline.postprocess.run_crops import cut_crops

LINES = "".join(f"{frame},{track},{40 * track},50,30,90,0.9,-1,-1,-1\n" for frame in range(1, 13) for track in (1, 2))


def run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, **output: object) -> Path:
    run = tmp_path / "run"
    (run / "tracks").mkdir(parents=True)
    (run / "tracks" / "west.txt").write_text(LINES + "13,3,5,5,10,12,0.9,-1,-1,-1\n")
    config = Config.model_validate({"cameras": [{"url": url, "name": "west"}], "output": output})
    data = SimpleNamespace(run={"config": config.model_dump(mode="json")})
    monkeypatch.setattr(run_crops, "load_run", lambda _: data)
    return run


def test_some_crops_of_each_track(tmp_path: Path, samples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_folder(tmp_path, monkeypatch, str(samples / "west.mp4"))
    assert cut_crops(run, tmp_path / "crops", per_track=4) == 8, "too small a box of the third track"
    names = sorted(path.name for path in (tmp_path / "crops").iterdir())
    assert names[0] == "west_1_1.jpg"
    assert "west_2_12.jpg" in names
    video = cv2.VideoCapture(str(samples / "west.mp4"))
    _, first = video.read()
    written = cv2.imread(str(tmp_path / "crops" / "west_1_1.jpg"))
    expected = first[50:140, 40:70]
    assert written.shape == expected.shape
    assert np.abs(written.astype(int) - expected).mean() < 6


def test_nothing_is_cut_of_hidden_people_or_lost_recordings(
    tmp_path: Path, samples: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hidden = run_folder(tmp_path / "a", monkeypatch, str(samples / "west.mp4"), anonymise="persons")
    assert cut_crops(hidden, tmp_path / "crops") == 0
    assert "its people are hidden" in caplog.text
    lost = run_folder(tmp_path / "b", monkeypatch, str(tmp_path / "gone.mp4"))
    assert cut_crops(lost, tmp_path / "crops") == 0
    assert "nothing more is cut from camera west" in caplog.text
