"""Frames of all cameras grouped by time: deterministic for recordings, never late for live ones."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relaytrack.pipeline.errors import SourceError
from relaytrack.pipeline.records import Frame
from relaytrack.pipeline.sources import Source, SourceStats
from relaytrack.pipeline.sources.synchroniser import FrameSynchronizer

IMAGE = np.zeros((2, 2, 3), np.uint8)
Moments = list[tuple[tuple[str, int], ...]]


class FakeSource:
    """Frames at given times; `delay` seconds of the wall clock before each one."""

    def __init__(
        self,
        name: str,
        times: Sequence[float],
        *,
        live: bool = False,
        fps: float | None = 10.0,
        delay: Callable[[], float] = lambda: 0.0,
        fail_open: str = "",
        fail_at: int | None = None,
        hold: threading.Event | None = None,
    ) -> None:
        self.name, self.live, self.fps = name, live, fps
        self.size: tuple[int, int] | None = (2, 2)
        self.stats = SourceStats()
        self.closed = threading.Event()
        self.read = 0
        self._times, self._delay = times, delay
        self._fail_open, self._fail_at, self._hold = fail_open, fail_at, hold

    def open(self) -> None:
        if self._hold is not None:
            self._hold.wait(20)
        if self._fail_open:
            raise SourceError(f"camera {self.name!r}: {self._fail_open}")

    def frames(self) -> Generator[Frame, None, None]:
        for number, moment in enumerate(self._times, 1):
            if self._fail_at == number:
                raise SourceError(f"camera {self.name!r}: cable cut")
            if self.closed.wait(self._delay()):
                return
            self.read += 1
            yield Frame(self.name, number, moment, IMAGE)

    def close(self) -> None:
        self.closed.set()


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def batcher(sources: Sequence[Any], stop: threading.Event, **options: Any) -> FrameSynchronizer:
    settings = {"window": None, "max_wait": 0.1, "queue": 4, "stop": stop, **options}
    return FrameSynchronizer(sources, **settings)


def moments(sources: Sequence[Any], **options: Any) -> Moments:
    """What a run over the sources yields: (camera, index) of each step's frames."""
    stop = threading.Event()
    batches = batcher(sources, stop, **options)
    batches.start()
    try:
        return [tuple((frame.camera, frame.index) for frame in step) for step in batches]
    finally:
        batches.close()


def test_frames_of_one_moment_come_together_in_the_order_of_the_cameras() -> None:
    times = [0.0, 0.1, 0.2]
    steps = moments([FakeSource("b", times), FakeSource("a", times)])
    assert steps == [(("b", n), ("a", n)) for n in (1, 2, 3)]


def test_different_and_varying_rates_are_merged_by_time() -> None:
    slow = FakeSource("slow", [0.0, 0.5, 1.0], fps=2)
    fast = FakeSource("fast", [0.01, 0.1, 0.49, 0.52, 0.9, 1.2], fps=10)
    assert moments([slow, fast]) == [
        (("slow", 1), ("fast", 1)),
        (("fast", 2),),
        (("slow", 2), ("fast", 3)),
        (("fast", 4),),
        (("fast", 5),),
        (("slow", 3),),
        (("fast", 6),),
    ]


def test_the_window_can_be_set_and_is_half_a_frame_by_default() -> None:
    def pair() -> list[FakeSource]:
        return [FakeSource("a", [0.0, 0.1]), FakeSource("b", [0.06, 0.16])]

    assert len(moments(pair(), window=0.01)) == 4
    assert len(moments(pair())) == 3  # 0.05 s: the second of a with the first of b
    assert len(moments(pair(), window=0.07)) == 2


@settings(deadline=None, max_examples=12)
@given(st.data())
def test_steps_do_not_depend_on_the_threads_and_no_frame_is_lost(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 4))
    gaps = st.lists(st.floats(0.001, 0.3), min_size=0, max_size=12)
    times = [np.cumsum(data.draw(gaps)).tolist() for _ in range(count)]
    chance = random.Random(data.draw(st.integers(0, 99)))
    results = []
    for _ in range(2):
        sources = [FakeSource(f"c{n}", times[n], delay=lambda: chance.choice([0.0, 0.0, 0.002])) for n in range(count)]
        results.append(moments(sources, queue=data.draw(st.integers(1, 3))))
        assert all(source.stats.dropped == 0 for source in sources)
    assert results[0] == results[1]
    for n in range(count):
        alone = [frame for step in results[0] for frame in step if frame[0] == f"c{n}"]
        assert alone == [(f"c{n}", number) for number in range(1, len(times[n]) + 1)]
    assert all(len({camera for camera, _ in step}) == len(step) for step in results[0])


def test_a_recording_waits_while_its_queue_is_full(stop: threading.Event) -> None:
    source = FakeSource("a", [n / 10 for n in range(50)])
    batches = batcher([source], stop, queue=3)
    batches.start()
    time.sleep(0.3)
    assert source.read <= 4  # three wait, one is in the reader's hand
    assert batches.depth() == {"a": 3}
    assert sum(1 for _ in batches) == 50
    assert batches.depth() == {"a": 0}
    batches.close()


def test_a_live_camera_keeps_its_newest_frame_and_counts_the_others(stop: threading.Event) -> None:
    source = FakeSource("a", [n / 10 for n in range(50)], live=True)
    batches = batcher([source], stop)
    batches.start()
    time.sleep(0.3)
    steps = list(batches)
    assert [frame.index for step in steps for frame in step] == [50]
    assert source.stats.dropped == 49
    batches.close()


def test_live_cameras_of_one_moment_share_a_step_and_a_silent_one_delays_nobody() -> None:
    def ticking() -> float:
        return 0.1

    one = FakeSource("one", range(12), live=True, delay=ticking)
    two = FakeSource("two", range(12), live=True, delay=ticking)
    dead = FakeSource("dead", [0], live=True, delay=lambda: 2.0)
    begin = time.monotonic()
    steps = moments([one, dead, two], max_wait=0.05)
    assert time.monotonic() - begin < 4
    pairs = [step for step in steps if len(step) == 2]
    assert len(pairs) >= 4
    assert sum(camera == "one" for step in steps for camera, _ in step) + one.stats.dropped == 12


def test_the_wait_for_a_late_camera_is_bounded(stop: threading.Event) -> None:
    begin = time.monotonic()
    steady = FakeSource("steady", range(5), live=True, delay=lambda: 0.1, fps=2)
    late = FakeSource("late", range(2), live=True, delay=lambda: 0.45, fps=2)
    batches = batcher([steady, late], stop, max_wait=0.05)
    batches.start()
    arrived: list[float] = []
    for step in batches:
        arrived += [time.monotonic() - begin for frame in step if frame.camera == "steady"]
    assert len(arrived) == 5
    assert arrived[-1] < 0.5 + 0.3
    batches.close()


def test_a_mixed_run_paces_the_recording_and_loses_none_of_it() -> None:
    recording = FakeSource("file", [n / 10 for n in range(6)])
    live = FakeSource("live", range(6), live=True, delay=lambda: 0.1)
    begin = time.monotonic()
    steps = moments([recording, live])
    assert time.monotonic() - begin >= 0.45
    assert [index for step in steps for camera, index in step if camera == "file"] == [1, 2, 3, 4, 5, 6]
    assert sum(camera == "live" for step in steps for camera, _ in step) + live.stats.dropped == 6


def test_a_later_failure_of_one_camera_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    good, bad = FakeSource("good", [0.0, 0.1, 0.2, 0.3]), FakeSource("bad", [0.0, 0.1, 0.2], fail_at=2)
    steps = moments([good, bad])
    assert [index for step in steps for camera, index in step if camera == "good"] == [1, 2, 3, 4]
    assert [index for step in steps for camera, index in step if camera == "bad"] == [1]
    assert "camera 'bad': cable cut" in caplog.text


def test_a_defect_in_a_source_is_told_without_passwords(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bad = FakeSource("bad", [0.0])

    def broken() -> Generator[Frame, None, None]:
        raise RuntimeError("rtsp://user:pw@host")
        yield

    monkeypatch.setattr(bad, "frames", broken)
    assert moments([bad, FakeSource("good", [0.0])]) == [(("good", 1),)]
    assert bad.stats.error == "camera 'bad': RuntimeError: rtsp://***"
    assert "pw" not in caplog.text


def test_the_first_camera_that_cannot_open_ends_the_start_at_once(stop: threading.Event) -> None:
    hold = threading.Event()
    sources = [FakeSource("slow", [0.0], hold=hold), FakeSource("bad", [0.0], fail_open="no such file")]
    begin = time.monotonic()
    with pytest.raises(SourceError, match="camera 'bad': no such file"):
        batcher(sources, stop).start()
    assert time.monotonic() - begin < 2
    assert all(source.closed.is_set() for source in sources)
    hold.set()


def test_a_source_that_hangs_in_open_is_given_up(stop: threading.Event) -> None:
    hold = threading.Event()
    begin = time.monotonic()
    with pytest.raises(SourceError, match=r"camera 'stuck': did not open within 0\.3 s"):
        batcher([FakeSource("stuck", [0.0], hold=hold)], stop, open_timeout=0.3).start()
    assert time.monotonic() - begin < 2
    hold.set()


@pytest.mark.parametrize("when", ["open", "read", "full"])
def test_stop_ends_everything_within_two_seconds(stop: threading.Event, when: str) -> None:
    hold = threading.Event()
    endless = FakeSource("endless", range(10**9), delay=lambda: 30.0 if when == "read" else 0.0)
    stuck = FakeSource("stuck", [0.0], hold=hold if when == "open" else None, delay=lambda: 30.0)
    batches = batcher([endless, stuck], stop)
    threading.Timer(0.2, stop.set).start()
    begin = time.monotonic()
    batches.start()
    assert list(batches) == []
    batches.close()
    assert time.monotonic() - begin < 2
    hold.set()


def test_no_sources_make_no_steps() -> None:
    assert moments([]) == []


def test_a_cameras_frames_are_the_same_whoever_runs_along(
    make_video: Callable[..., Path], make_source: Callable[..., Source], stop: threading.Event
) -> None:
    paths = [make_video("a.mp4", 20, rate=10), make_video("b.mp4", 33, rate=25)]

    def run(cameras: Sequence[int]) -> list[Frame]:
        batches = batcher([make_source(paths[n], name=f"c{n}") for n in cameras], stop)
        batches.start()
        try:
            return [frame for step in batches for frame in step]
        finally:
            batches.close()

    together = run([0, 1])
    for n in (0, 1):
        alone, joint = run([n]), [frame for frame in together if frame.camera == f"c{n}"]
        assert [(frame.index, frame.time) for frame in alone] == [(frame.index, frame.time) for frame in joint]
        for one, other in zip(alone, joint, strict=True):
            np.testing.assert_array_equal(one.image, other.image)


def test_the_end_may_come_while_a_cameras_thread_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault: a site that ended while a camera was changed failed with 'cannot join thread before it is started'."""
    frames = FrameSynchronizer([], window=None, max_wait=0.1, queue=4, stop=threading.Event(), until_stopped=True)
    frames.start()
    begin = threading.Thread.start

    def end_first(thread: threading.Thread) -> None:
        if thread.name == "read-a":
            frames.close()
        begin(thread)

    monkeypatch.setattr(threading.Thread, "start", end_first)
    frames.add(FakeSource("a", [0.0], live=True))
    frames.close()
