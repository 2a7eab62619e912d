"""The order in which batches are decided."""

from __future__ import annotations

import random
import threading
from collections.abc import Generator, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relaytrack.pipeline.cluster.batches import TrackletBatch
from relaytrack.pipeline.cluster.watermark import WatermarkMerge
from relaytrack.pipeline.identity.messages import TrackletMessage
from relaytrack.pipeline.records import Frame, FrameInfo
from relaytrack.pipeline.sources.base import SourceStats
from relaytrack.pipeline.sources.synchroniser import FrameSynchronizer


def batch(camera: str, sequence: int, time: float) -> TrackletBatch:
    none = np.zeros(0, np.float32)
    frame = FrameInfo(camera, sequence, time, (4, 4))
    return TrackletBatch(
        sequence, TrackletMessage(frame, np.zeros(0, np.int64), none.reshape(0, 4), none, none.reshape(0, 0))
    )


class Recording:
    live = False
    fps: float | None = 25.0
    size = (4, 4)

    def __init__(self, name: str, times: Sequence[float]) -> None:
        self.name, self.stats, self._times = name, SourceStats(), times

    def open(self) -> None: ...

    def frames(self) -> Generator[Frame, None, None]:
        for number, time in enumerate(self._times):
            yield Frame(self.name, number + 1, time, np.zeros((4, 4, 3), np.uint8))

    def close(self) -> None: ...


def sets_of(merge: WatermarkMerge, now: float = 0.0) -> list[list[tuple[str, int]]]:
    found = []
    while chosen := merge.take(now):
        found.append(sorted((one.camera, one.sequence) for one in chosen))
    return found


TIMES = st.lists(st.integers(0, 400), min_size=1, max_size=12, unique=True).map(
    lambda hundredths: [moment / 100 for moment in sorted(hundredths)]
)


@settings(deadline=None, max_examples=60)
@given(st.lists(TIMES, min_size=1, max_size=4), st.integers(0, 1000))
def test_recordings_are_merged_as_one_machine_merges_them(cameras: list[list[float]], seed: int) -> None:
    sources = [Recording(f"c{number}", times) for number, times in enumerate(cameras)]
    stop = threading.Event()
    one = FrameSynchronizer(sources, window=0.02, max_wait=0.1, queue=8, stop=stop)
    one.start()
    wanted = [sorted((frame.camera, frame.index) for frame in frames) for frames in one]
    one.close()

    merge, rng = WatermarkMerge(0.02), random.Random(seed)
    waiting = [[batch(f"c{n}", i + 1, t) for i, t in enumerate(times)] for n, times in enumerate(cameras)]
    for number in range(len(cameras)):
        merge.open(f"c{number}", live=False)
    found = []
    while any(waiting):  # the cameras' batches arrive in any order
        number = rng.choice([number for number, lane in enumerate(waiting) if lane])
        merge.put(waiting[number].pop(0), now=0.0)
        if not waiting[number]:
            merge.end([f"c{number}"])
        found += sets_of(merge)
    assert found + sets_of(merge) == wanted
    assert merge.over


def test_a_slow_camera_of_a_node_does_not_hold_the_others_up() -> None:
    """The node's other cameras say how far it is: without that, two nodes would wait for each other for ever."""
    merge = WatermarkMerge(0.02)
    for name in ("slow", "fast", "far"):
        merge.open(name, live=False)
    merge.put(batch("slow", 1, 0.0), 0.0)
    merge.put(batch("fast", 1, 0.0), 0.0)
    merge.put(batch("far", 1, 0.0), 0.0)
    assert len(sets_of(merge)) == 1
    merge.put(batch("far", 2, 0.04), 0.0)
    merge.put(batch("fast", 2, 0.04), 0.0)
    assert sets_of(merge) == []
    merge.put(batch("fast", 3, 0.08), 0.0)
    merge.not_before(["slow", "fast"], 0.08)
    assert sets_of(merge) == [[("far", 2), ("fast", 2)]]


def test_a_live_set_waits_for_a_late_camera_but_not_for_long() -> None:
    merge = WatermarkMerge(0.05, wait=0.2)
    merge.open("a", live=True)
    merge.open("b", live=True)
    merge.put(batch("a", 1, 10.0), now=100.0)
    merge.put(batch("b", 1, 10.01), now=100.05)
    assert sets_of(merge, 100.05) == [[("a", 1), ("b", 1)]]
    merge.put(batch("a", 2, 10.2), now=100.2)
    assert sets_of(merge, 100.3) == []
    assert sets_of(merge, 100.41) == [[("a", 2)]]
    merge.put(batch("b", 2, 10.19), now=100.5)  # its set is decided
    assert dict(merge.late) == {"b": 1}
    assert sets_of(merge, 100.75) == [[("b", 2)]]


def test_a_camera_that_stalls_is_not_waited_for() -> None:
    merge = WatermarkMerge(0.05, wait=0.2)
    merge.open("a", live=True)
    merge.open("b", live=True)
    merge.put(batch("b", 1, 10.0), now=100.0)
    merge.put(batch("a", 1, 10.0), now=100.0)
    assert len(sets_of(merge, 100.0)) == 1
    merge.put(batch("a", 2, 12.0), now=102.0)
    assert sets_of(merge, 102.0) == [[("a", 2)]]


def test_what_waited_of_a_node_that_begins_anew_is_waited_for_again() -> None:
    merge = WatermarkMerge(0.02)
    merge.open("a", live=False)
    merge.open("b", live=False)
    merge.put(batch("a", 1, 0.5), 0.0)
    merge.drop("a")
    merge.put(batch("b", 1, 0.3), 0.0)
    assert sets_of(merge) == []
    merge.put(batch("a", 1, 0.5), 0.0)
    assert sets_of(merge) == [[("b", 1)]]


def test_a_window_is_half_open() -> None:
    merge = WatermarkMerge(0.5)
    merge.open("a", live=False)
    merge.open("b", live=False)
    merge.put(batch("a", 1, 1.0), 0.0)
    merge.put(batch("b", 1, 1.5), 0.0)
    merge.end("ab")
    assert sets_of(merge) == [[("a", 1)], [("b", 1)]]
    with pytest.raises(KeyError):
        merge.put(batch("c", 1, 1.5), 0.0)


@settings(deadline=None, max_examples=80)
@given(st.integers(0, 100_000))
def test_live_sets_come_at_the_moment_at_which_a_look_at_all_cameras_gives_them(seed: int) -> None:
    """What is remembered between two looks never holds a set back and never lets one go early."""
    chance = random.Random(seed)
    kept, looked = WatermarkMerge(0.1), WatermarkMerge(0.1)
    names = ["a", "b", "c"]
    for merge in (kept, looked):
        for name in names:
            merge.open(name, live=name != "c" or seed % 3 > 0)
    number, now = dict.fromkeys(names, 0), 0.0
    for _ in range(60):
        now += chance.random() * 0.15
        name = chance.choice(names)
        action = chance.random()
        number[name] += 1
        for merge in (kept, looked):
            if action < 0.75:
                merge.put(batch(name, number[name], number[name] * 0.2), now)
            elif action < 0.85:
                merge.not_before([name], number[name] * 0.2)
            elif action < 0.9:
                merge.drop(name)
            elif action < 0.92:
                merge.end([name])
        looked._look_again()
        assert sets_of(kept, now) == sets_of(looked, now)
        assert kept.empty == (not any(kept.waiting().values()))
