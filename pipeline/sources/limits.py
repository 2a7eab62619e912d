"""Rules in seconds: which frames `max_fps` leaves out, and what a presentation time is when none is given."""

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


class PresentationClock:
    """Turns presentation timestamps into seconds from the first frame, strictly ascending.

    A frame without a timestamp, or with one that does not lie after the frame before, is put one nominal
    frame interval after that frame.
    """

    def __init__(self, fps: float | None) -> None:
        """Derive missing times from `fps` (frames per second, 25 where it is unknown)."""
        self._interval = 1.0 / (fps or 25.0)
        self._origin: float | None = None
        self._last: float | None = None

    def seconds(self, stamp: float | None) -> float:
        """The time of the next frame.

        Args:
            stamp: its timestamp in seconds on the source's own clock, None where it has none.
        """
        if self._last is None:
            self._origin, self._last = stamp, 0.0
            return 0.0
        derived = self._last + self._interval
        time = derived
        if stamp is not None:
            if self._origin is None:  # the first timestamp of all continues the derived times
                self._origin = stamp - derived
            time = stamp - self._origin
            if time <= self._last:
                time = derived
        self._last = time
        return time
