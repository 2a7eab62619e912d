"""The rules in seconds that all sources share."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relaytrack.pipeline.backoff import Backoff
from relaytrack.pipeline.sources.latest_value import LatestValue
from relaytrack.pipeline.sources.limits import RateLimit


@given(
    rate=st.floats(0.5, 60),
    gaps=st.lists(st.floats(0, 0.5), min_size=1, max_size=200),
)
def test_the_mean_rate_never_exceeds_the_limit(rate: float, gaps: list[float]) -> None:
    limit, now, kept = RateLimit(rate), 0.0, 0
    for gap in gaps:
        now += gap
        kept += limit.keep(now)
    assert kept >= 1
    assert kept <= (now - gaps[0]) * rate + 1.25 + 1e-6


@pytest.mark.parametrize(("source", "limit", "expected"), [(30, 20, 201), (30, 25, 250), (29.97, 30, 300), (25, 7, 84)])
def test_the_limit_is_used_to_the_full(source: float, limit: float, expected: int) -> None:
    chosen = RateLimit(limit)
    assert sum(chosen.keep(number / source) for number in range(300)) == pytest.approx(expected, abs=1)


def test_times_rounded_to_milliseconds_or_jittering_lose_no_frame_at_the_same_rate() -> None:
    rounded, jittering = RateLimit(30), RateLimit(25)
    assert all(rounded.keep(round(number / 30, 3)) for number in range(300))
    shift = [0.0, 0.004, -0.004, 0.002]
    assert all(jittering.keep(number / 25 + shift[number % 4]) for number in range(300))


@pytest.mark.parametrize(("chance", "factor"), [(0.0, 1.0), (1.0, 0.5)])
def test_backoff_doubles_to_its_limit_and_begins_anew(chance: float, factor: float) -> None:
    backoff = Backoff(0.5, 3.0, lambda: chance)
    assert [backoff.pause() for _ in range(5)] == [factor * pause for pause in (0.5, 1, 2, 3, 3)]
    backoff.reset()
    assert backoff.pause() == factor * 0.5


def test_backoff_differs_from_camera_to_camera() -> None:
    assert len({Backoff(1, 1).pause() for _ in range(20)}) > 10


def test_a_latest_value_keeps_the_newest_and_counts_the_rest() -> None:
    box: LatestValue[int] = LatestValue()
    for number in range(5):
        box.put(number)
    assert box.take(0) == (4, 4)
    assert box.take(0) == (None, 0)
    box.put(5)
    box.fail("over")
    assert box.take(0) == (5, 0)
    begin = time.monotonic()
    assert box.take(10) == (None, 0)
    assert time.monotonic() - begin < 1
    assert box.failure == "over"


def test_a_latest_value_wakes_who_waits() -> None:
    box: LatestValue[str] = LatestValue()
    threading.Timer(0.05, box.put, ["hello"]).start()
    assert box.take(10) == ("hello", 0)
    threading.Timer(0.05, box.abandon).start()
    assert box.take(10) == (None, 0)
    assert box.abandoned
