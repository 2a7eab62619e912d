"""What a run says while it goes on: once how closely each camera is looked at, and in every line how it is doing."""

from __future__ import annotations

import io
import time
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from relaytrack.pipeline.cli import progress as progress_module
from relaytrack.pipeline.cli.progress import LiveProgress, PlainProgress, console_progress
from relaytrack.pipeline.perception.detectors.sizes import Sight
from relaytrack.pipeline.records import Detections, FrameInfo, FrameTracks
from relaytrack.pipeline.runtime.summary import Summary


def nobody(camera: str, width: int, height: int) -> FrameTracks:
    none = np.zeros(0, np.int64)
    boxes = np.zeros((0, 4), np.float32)
    frame = FrameInfo(camera, 1, 0.0, (width, height))
    return FrameTracks(frame, none, none, boxes, boxes[:, 0], Detections.empty(), boxes)


def test_the_screen_says_once_per_camera_how_small_people_may_be() -> None:
    summary = Summary(["street", "door"], lambda width, height: Sight(width // 2, height // 10))
    stream = io.StringIO()
    progress = PlainProgress(stream)
    summary.add([nobody("street", 1920, 1080)])
    progress.step(summary, {})
    summary.add([nobody("street", 1920, 1080), nobody("door", 640, 480)])
    progress.step(summary, {})
    progress.step(summary, {})
    assert stream.getvalue().splitlines() == [
        "camera street: people are found from about 108 pixels of height on (detector.image_size 960)",
        "camera door: people are found from about 48 pixels of height on (detector.image_size 320)",
    ]


def test_a_detector_that_does_not_know_says_nothing() -> None:
    summary = Summary(["street"])
    stream = io.StringIO()
    summary.add([nobody("street", 1920, 1080)])
    PlainProgress(stream).step(summary, {})
    assert (summary.cameras["street"].sight, stream.getvalue()) == (None, "")


class Terminal(io.StringIO):
    """A stream that takes cursor movements."""

    def isatty(self) -> bool:
        return True


def lossy() -> Summary:
    """Two cameras; 7 frames of the second one were dropped."""
    summary = Summary(["street", "door"])
    summary.add([nobody("street", 640, 480), nobody("door", 640, 480)])
    summary.cameras["street"].age, summary.cameras["door"].age = 0.0312, 2.5
    summary.cameras["door"].dropped = 7
    return summary


@pytest.mark.parametrize("terminal", [True, False])
def test_the_line_of_a_live_run_tells_dropped_frames_and_ages(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault: overload could not be seen while a run went on; later a frame's age only where frames were dropped."""
    monkeypatch.setattr(progress_module, "_PLAIN_EVERY", -1.0)
    stream = Terminal() if terminal else io.StringIO()
    progress = console_progress(stream, live=True)
    if terminal:
        assert isinstance(progress, LiveProgress)
        progress = LiveProgress(Console(file=stream, force_terminal=True, width=200), live=True)
    progress.start("follow")
    progress.step(lossy(), {"door": 3})
    progress.stop()
    shown = stream.getvalue()
    assert "fps (31 ms)  door" in shown
    assert "fps (7 dropped, 2500 ms)  waiting 3" in shown
    assert terminal or shown.startswith(time.strftime("%Y-%m-%d"))


def test_the_line_of_a_recording_tells_no_ages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_module, "_PLAIN_EVERY", -1.0)
    stream = io.StringIO()
    PlainProgress(stream).step(lossy(), {})
    assert " ms" not in stream.getvalue()


def test_the_ages_of_the_last_frames_take_no_more_memory_with_every_frame() -> None:
    """Fault: 20,000 ages were collected one by one, which was growth for hours at a few frames a second."""
    summary = Summary(["a"])
    seen = nobody("a", 64, 48)
    seen = replace(seen, frame=replace(seen.frame, arrived=time.monotonic() - 100.0))
    for _ in range(100):
        summary.add([seen])
    tracemalloc.start()
    try:
        for _ in range(5_000):
            summary.add([seen])
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 20_000
    assert summary.age() == {"p50": pytest.approx(100.0, abs=60.0), "p95": pytest.approx(100.0, abs=60.0)}
    recent = replace(seen, frame=replace(seen.frame, arrived=time.monotonic()))
    for _ in range(20_000):
        summary.add([recent])
    assert summary.age()["p95"] < 60.0, "the latest 20,000 count"  # type: ignore[index]
