"""Hours without a picture, in the whole run: nothing ends it, and no video shows a day of still picture."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import pytest
from support.numbered import numbered_image
from support.world import Eyes, Looks, Walk

from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.engine import Pipeline


def finished(out: Path, cameras: list[dict[str, Any]], **parts: Any) -> dict[str, tuple[int, float]]:
    """Frames and seconds of each video of a run."""
    config = Config.model_validate({"cameras": cameras, "output": {"dir": str(out), "report": False}})
    Pipeline(config, detector=Eyes(), embedder=Looks(), **parts).run()
    found = {}
    for path in (out / "video").glob("*.mp4"):
        with av.open(str(path)) as container:
            frames = sum(1 for _ in container.decode(video=0))
            found[path.stem] = (frames, (container.duration or 0) / av.time_base)
    return found


def pauses_told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "no pictures for" in record.getMessage()]


@pytest.mark.parametrize("offset", [23_870.0, 1e6])
def test_a_camera_that_begins_hours_later(offset: float, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Fault: two pictures of one output 6.63 hours apart or more ended the run with a traceback from the muxer."""
    caplog.set_level(logging.WARNING)
    videos = finished(tmp_path / "o", [], sources=[Walk("a"), Walk("b", offset=offset)])
    assert [videos[name][0] for name in ("a", "b", "mosaic")] == [20, 20, 40]
    assert all(seconds < 10 for _, seconds in videos.values()), videos
    assert len(pauses_told(caplog)) == 1


@pytest.mark.parametrize("fps", [0.00004, 0.01])
def test_a_slow_time_lapse(fps: float, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    (tmp_path / "pictures").mkdir()
    for number in range(1, 6):
        assert cv2.imwrite(str(tmp_path / "pictures" / f"{number}.png"), numbered_image(number))
    videos = finished(tmp_path / "o", [{"url": str(tmp_path / "pictures"), "name": "a", "fps": fps}])
    assert videos["a"][0] == 5
    assert videos["a"][1] < (500 if fps == 0.01 else 12)
    assert len(pauses_told(caplog)) == (fps < 0.01)


def test_a_recording_of_two_parts(make_video: Callable[..., Path], tmp_path: Path) -> None:
    late = make_video("late.ts", 10, stamps=[5_000_000 + 100 * number for number in range(10)])
    (tmp_path / "both.ts").write_bytes(late.read_bytes() + make_video("b.ts", 10).read_bytes())
    videos = finished(tmp_path / "o", [{"url": str(tmp_path / "both.ts"), "name": "a"}])
    assert videos["a"] == (20, pytest.approx(2.0, abs=0.2))
