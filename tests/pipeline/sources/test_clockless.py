"""Videos without time stamps: their times follow from the rate that they tell, or from the camera's `fps`."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import av
import numpy as np
import pytest

from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.sources import create_source

FRAMES = 8


def _video(path: Path, format: str, codec: str, rate: int) -> Path:
    with av.open(str(path), "w", format=format) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height = 64, 48
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        if codec == "libx265":
            stream.options = {"x265-params": "log-level=none"}
        for index in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 20 * index, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _times(path: Path, **camera: object) -> tuple[list[float], str | None]:
    config = Config.model_validate({"cameras": [{"url": str(path), "name": "c", **camera}]})
    source = create_source(
        config.cameras[0], config.input, config.run, started=time.monotonic(), stop=threading.Event()
    )
    source.open()
    times = [frame.time for frame in source.frames()]
    assert len(times) == FRAMES
    return times, source.stats.warning


@pytest.mark.parametrize(
    ("name", "format", "codec"),
    [("a.h264", "h264", "libx264"), ("a.hevc", "hevc", "libx265"), ("a.m2v", "mpeg2video", "mpeg2video")],
)
def test_the_rate_that_it_tells_counts(tmp_path: Path, name: str, format: str, codec: str) -> None:
    """Fault: H.264 and HEVC without a container went at 25 pictures per second, whatever they said of themselves."""
    rate = 50 if codec == "mpeg2video" else 10
    times, warning = _times(_video(tmp_path / name, format, codec, rate))
    assert times == pytest.approx([index / rate for index in range(FRAMES)], abs=1e-6)
    assert warning is None


def test_a_rate_that_is_assumed_is_told(tmp_path: Path) -> None:
    times, warning = _times(_video(tmp_path / "a.mjpeg", "mjpeg", "mjpeg", 10))
    assert times == pytest.approx([index / 25 for index in range(FRAMES)], abs=1e-6)
    assert warning is not None
    assert "it has no clock: its pictures count as 25 per second" in warning


@pytest.mark.parametrize(
    ("name", "format", "codec"),
    [("a.264", "h264", "libx264"), ("a.mjpeg", "mjpeg", "mjpeg"), ("a.mjpg", "mpjpeg", "mjpeg")],
)
def test_the_cameras_fps_goes_before(tmp_path: Path, name: str, format: str, codec: str) -> None:
    """Fault: `fps` of the camera was left out without a word."""
    times, warning = _times(_video(tmp_path / name, format, codec, 10), fps=4)
    assert times == pytest.approx([index / 4 for index in range(FRAMES)])
    assert warning is None


def test_a_rate_that_does_not_count_is_told(tmp_path: Path) -> None:
    times, warning = _times(_video(tmp_path / "a.mp4", "mp4", "libx264", 10), fps=4)
    assert times == pytest.approx([index / 10 for index in range(FRAMES)])
    assert warning is not None
    assert "it has a clock: the camera's fps is left out" in warning
