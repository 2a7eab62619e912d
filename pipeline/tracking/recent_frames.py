"""What is remembered of the frames that a camera's tracker was given last, by the number of the call."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class RecentFrames(Generic[T]):
    """One value per call of the tracker's `update`; the oldest ones are given up.

    Args:
        most: calls that are remembered.
    """

    def __init__(self, most: int) -> None:
        self._calls = 0
        self._values: deque[T] = deque(maxlen=most)

    def add(self, value: T) -> None:
        """Remember this of the call that was just made."""
        self._values.append(value)
        self._calls += 1

    def get(self, call: int) -> T | None:
        """What was remembered of a call (the first is 0, as in `Backfill.frames`); None where it was given up."""
        place = call - (self._calls - len(self._values))
        return self._values[place] if place >= 0 else None
