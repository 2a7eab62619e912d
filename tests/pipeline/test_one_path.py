"""`run`, `track` and `cache` drive the same source, networks and tracker settings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from relaytrack.pipeline.cli.main import main
from relaytrack.pipeline.config.loading import load_config
from relaytrack.pipeline.engine import Pipeline
from relaytrack.pipeline.replay.detection_cache import read_cache

SECONDS = 15.0


@pytest.fixture(scope="module")
def finished(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run over 15 s of one clip."""
    out = tmp_path_factory.mktemp("one_path") / "run"
    changed = {"output.dir": str(out), "output.video": False, "run.max_seconds": SECONDS, "run.device": "cpu"}
    Pipeline(load_config(data={"cameras": [str(samples / "west.mp4")]}, overrides=changed)).run()
    return out


def test_track_gives_the_bytes_of_run(samples: Path, finished: Path, tmp_path: Path) -> None:
    """Fault: the detector's score scale was applied in one of the two paths only (78 boxes against 161)."""
    words = ["--device", "cpu", "--set", f"run.max_seconds={SECONDS}", "--backfill"]
    assert main(["track", "--video", str(samples / "west.mp4"), *words, "--out", str(tmp_path / "west.txt")]) == 0
    tracked, ran = (tmp_path / "west.txt").read_bytes(), (finished / "tracks/west.txt").read_bytes()
    assert len(ran.splitlines()) > 50
    assert tracked == ran


def test_a_finished_run_shows_the_first_frames_of_a_track_too(finished: Path) -> None:
    def boxes(kind: str) -> set[tuple[bytes, ...]]:
        lines = (finished / kind / "west.txt").read_bytes().splitlines()
        return {tuple(line.split(b",")[:1] + line.split(b",")[2:6]) for line in lines}

    assert boxes("global") >= boxes("tracks")


@pytest.mark.parametrize(
    "setting",
    ["cameras.0.roi=[40, 30, 300, 400]", "cameras.0.moving=true", "cameras.0.max_fps=4", "tracker.name=classic"],
)
def test_a_setting_changes_no_more_in_track_than_in_run(samples: Path, tmp_path: Path, setting: str) -> None:
    """Fault: `track` took a camera that is `moving` for one that stands."""
    video = str(samples / "west.mp4")
    common = ["--device", "cpu", "--set", setting, "--set", "run.max_seconds=6"]
    assert main(["run", "--source", f"west={video}", *common, "--no-video", "--out", str(tmp_path / "run")]) == 0
    assert main(["track", "--video", video, *common, "--backfill", "--out", str(tmp_path / "west.txt")]) == 0
    assert (tmp_path / "west.txt").read_bytes() == (tmp_path / "run/tracks/west.txt").read_bytes()


def test_cache_holds_what_the_tracker_of_a_run_is_given(samples: Path, finished: Path, tmp_path: Path) -> None:
    words = ["--device", "cpu", "--set", f"run.max_seconds={SECONDS}", "--out", str(tmp_path / "west.npz")]
    assert main(["cache", "--video", str(samples / "west.mp4"), *words]) == 0
    cache = read_cache(tmp_path / "west.npz")
    table = np.loadtxt(finished / "tracks/west.txt", delimiter=",")
    for frame, score in table[:, [0, 6]]:
        there = cache.scores[cache.frames == int(frame)]
        assert np.abs(there - score).min() < 1e-3
