"""How far a machine's clock is ahead of the identity service's: by round trips, as NTP does it."""

from __future__ import annotations

import time
from collections.abc import Callable

_ROUNDS = 8
TELL = 0.1
"""Seconds from which a difference is told."""


def clock_skew(reference: Callable[[], float], now: Callable[[], float] = time.time) -> tuple[float, float]:
    """Compare two clocks.

    Args:
        reference: asks the other machine for its clock, seconds since 1970.
        now: this machine's.

    Returns:
        Seconds by which this clock is ahead, of the quickest of eight round trips, and half that round trip: the
        largest error that the estimate can have.
    """
    found = []
    for _ in range(_ROUNDS):
        tick, before = time.perf_counter(), now()
        there = reference()
        trip = time.perf_counter() - tick
        found.append((trip, before + trip / 2 - there))
    trip, skew = min(found)
    return skew, trip / 2
