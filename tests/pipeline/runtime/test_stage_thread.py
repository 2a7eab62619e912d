"""A stage on its own thread: order, bounds, the end and failures."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from relaytrack.pipeline.runtime.stage_thread import Worker


def test_results_keep_their_order_through_several_stages() -> None:
    first = Worker("first", lambda x: x + 1, range(100), depth=3).start()
    second = Worker("second", lambda x: x * 2, first, depth=2).start()
    assert list(second) == [2 * (x + 1) for x in range(100)]
    assert (first.count, second.count) == (100, 100)


def test_a_failure_travels_to_the_far_end_after_the_results_before_it() -> None:
    def work(x: int) -> int:
        if x == 3:
            raise ValueError("three")
        return x

    last = Worker("last", lambda x: x, Worker("broken", work, range(10)).start()).start()
    seen: list[int] = []
    with pytest.raises(ValueError, match="three"):
        seen.extend(last)
    assert seen == [0, 1, 2]


def test_a_full_queue_holds_the_stage_back() -> None:
    made: list[int] = []

    def source() -> Iterator[int]:
        for x in range(100):
            made.append(x)
            yield x

    worker = Worker("bounded", lambda x: x, source(), depth=2).start()
    time.sleep(0.3)
    assert len(made) <= 4
    assert list(worker) == list(range(100))


def test_an_abandoned_stage_ends() -> None:
    worker = Worker("abandoned", lambda x: x, iter(range(1000)), depth=1).start()
    time.sleep(0.05)
    worker.abandon()
    worker.join(2.0)
    assert "abandoned" not in {thread.name for thread in threading.enumerate()}


def test_lanes_work_side_by_side_and_keep_the_order() -> None:
    meeting = threading.Barrier(3)

    def work(x: int) -> int:
        meeting.wait(5.0)  # broken unless three are there at once
        time.sleep(0.01 * (3 - x % 3))  # the first to begin is the last to end
        return x

    worker = Worker("several", work, range(30), depth=2, threads=3).start()
    assert list(worker) == list(range(30))
    assert worker.count == 30


def test_a_failure_in_one_lane_comes_after_the_results_before_it() -> None:
    def work(x: int) -> int:
        if x == 7:
            raise ValueError("seven")
        time.sleep(0.02)
        return x

    seen: list[int] = []
    worker = Worker("several", work, range(100), threads=4).start()
    with pytest.raises(ValueError, match="seven"):
        seen.extend(worker)
    assert seen == list(range(7))
    worker.join(2.0)
    assert "several" not in {thread.name for thread in threading.enumerate()}


def test_a_failing_source_ends_all_lanes() -> None:
    def source() -> Iterator[int]:
        yield from range(5)
        raise OSError("gone")

    seen: list[int] = []
    with pytest.raises(OSError, match="gone"):
        seen.extend(Worker("several", lambda x: x, source(), threads=3).start())
    assert seen == list(range(5))
