"""A recording's time stamps as stretches without a jump: they tell whether it comes back from a jump.

Only later pictures show what a jump was: a recorder that paused never goes back to the time before, one with wrong
stamps does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_MOST_STRETCHES = 1000
_MOST_STAMPS = 5_000_000  # 46 hours at 30 frames per second
_REORDERED = 16  # pictures that may be decoded before their turn: around a jump both times are mixed
_PLACE = 64  # pictures by which the places of packets and of pictures may differ (order of decoding, damaged ones)


@dataclass(frozen=True, slots=True)
class StampStretch:
    """Pictures one after the other without a jump.

    Attributes:
        start: how many pictures come before.
        count: how many they are.
        first: the first stamp, seconds on the source's own clock.
    """

    start: int
    count: int
    first: float


def read_stretches(stamps: Iterable[float], limit: float) -> list[StampStretch]:
    """Cut a recording's stamps where they jump by more than `limit` seconds.

    Args:
        stamps: of all pictures, seconds, in the order of decoding.
        limit: seconds from one picture to the next that are no jump.

    Returns:
        The stretches in order; of a recording with very many jumps or pictures only the first.
    """
    found: list[StampStretch] = []
    start, first, last, number = 0, 0.0, 0.0, -1
    for number, stamp in enumerate(stamps):
        if number and abs(stamp - last) > limit:
            found.append(StampStretch(start, number - start, first))
            start, first = number, stamp
        elif not number:
            first = stamp
        last = stamp
        if len(found) >= _MOST_STRETCHES or number >= _MOST_STAMPS:
            break
    if number >= start:
        found.append(StampStretch(start, number + 1 - start, first))
    return found


def comes_back(stretches: list[StampStretch], place: int, expected: float, step: float, limit: float) -> bool:
    """Whether a recording comes back from a jump, so that the pictures between have wrong stamps.

    It does if a later stretch begins where the pictures before the jump would have gone on, and if more pictures stand
    for that than for the time to which it jumped.

    Args:
        stretches: of the whole recording.
        place: how many pictures come before the jump.
        expected: the stamp that would follow without the jump, seconds.
        step: usual seconds from one picture to the next.
        limit: seconds by which a stretch may be off.
    """
    near = min(range(len(stretches)), key=lambda number: abs(stretches[number].start - place), default=0)
    if near == 0 or abs(stretches[near].start - place) > _PLACE:
        return False
    before = max(stretch.count for stretch in stretches[max(0, near - 3) : near])
    for later in stretches[near + 1 :]:
        away = later.start - stretches[near].start
        fits = abs(later.first - (expected + away * step)) <= limit + 0.1 * away * step
        if fits and later.count > _REORDERED:
            return before + later.count > away
    return False
