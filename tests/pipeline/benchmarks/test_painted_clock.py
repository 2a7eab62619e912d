"""The clock that is painted into pictures is read again after they were encoded, and nothing else is taken for it."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relaytrack.pipeline.benchmarks.painted_clock import BITS, CELL, ROUND, clock_camera, paint, read, since
from relaytrack.pipeline.render.h264 import frame_of


@given(st.integers(0, 10 * ROUND), st.integers(BITS * CELL, 800), st.integers(CELL, 90))
def test_what_is_painted_is_read(milliseconds: int, width: int, height: int) -> None:
    image = np.full((height, width, 3), 90, np.uint8)
    paint(image, milliseconds)
    assert read(image) == milliseconds % ROUND


@given(st.integers(0, ROUND - 1), st.integers(0, 5000))
def test_an_age_is_counted_round_the_clock(painted: int, age: int) -> None:
    assert since(painted, (painted + age) % ROUND) == age


def test_a_picture_without_a_clock_tells_no_time() -> None:
    assert read(np.full((90, 400, 3), 90, np.uint8)) is None


def test_it_outlives_the_video_of_the_page() -> None:
    rng = np.random.default_rng(0)
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=7, options={"crf": "24", "preset": "superfast"})
        stream.width, stream.height, stream.pix_fmt = 352, 288, "yuv420p"
        for number in range(10):
            image = rng.integers(60, 180, (288, 352, 3)).astype(np.uint8)
            paint(image, 143 * number)
            container.mux(stream.encode(frame_of(image, number, key=False)))
        container.mux(stream.encode(None))
    file.seek(0)
    with av.open(file) as container:
        found = [read(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)) for frame in container.decode(video=0)]
    assert found == [143 * number for number in range(10)]


def test_a_clip_may_be_called_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    clip = Path("10:30.mp4")
    with av.open(f"file:{clip}", "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=7)
        stream.width, stream.height, stream.pix_fmt = 352, 288, "yuv420p"
        picture = av.VideoFrame.from_ndarray(np.full((288, 352, 3), 90, np.uint8), format="rgb24")
        container.mux(stream.encode(picture))
        container.mux(stream.encode())
    with clock_camera(clip, 7.0) as url:
        assert url.startswith("http://127.0.0.1:")
