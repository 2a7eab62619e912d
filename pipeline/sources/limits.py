"""A rule in seconds: which frames `max_fps` leaves out."""

from __future__ import annotations


class RateLimit:
    """Chooses frames so that their mean rate stays at or below a limit.

    Each kept frame moves the earliest time of the next one by 1 / rate. A frame may come a quarter of that
    early, which absorbs rounded or jittering times without raising the mean.
    """

    def __init__(self, rate: float | None) -> None:
        """Limit to `rate` frames per second; None keeps every frame."""
        self._interval = 1.0 / rate if rate else 0.0
        self._due: float | None = None

    def keep(self, time: float) -> bool:
        """Whether the frame at `time` (seconds, ascending from call to call) is kept."""
        if not self._interval:
            return True
        if self._due is None:
            self._due = time
        if time < self._due - 0.25 * self._interval:
            return False
        self._due = max(self._due, time - self._interval) + self._interval
        return True
