"""How long a video stands still: a pause without pictures is kept up to a limit and shortened above it."""

from __future__ import annotations

LONGEST_STILL = 120.0
"""Seconds that a video shows one picture at the most."""

SHORTENED = 2.0
"""Seconds that a longer pause lasts in the video."""


def is_long(gap: float) -> bool:
    """Whether `gap` seconds between two pictures are more than a video shows."""
    return gap > LONGEST_STILL


class Pauses:
    """Places times on a video's own clock, on which no picture stays longer than `LONGEST_STILL`.

    Attributes:
        cuts: (time, seconds) of each pause that was shortened: the time after it, and by how much.
    """

    def __init__(self) -> None:
        self.cuts: list[tuple[float, float]] = []
        self._last: float | None = None
        self._cut = 0.0

    def place(self, time: float) -> float:
        """The moment of the next picture on the video's clock.

        Args:
            time: seconds of the run's clock; a time before the last one is no pause.
        """
        if self._last is not None and is_long(time - self._last):
            cut = time - self._last - SHORTENED
            self._cut += cut
            self.cuts.append((time, cut))
        self._last = time if self._last is None else max(self._last, time)
        return time - self._cut


def shown_at(time: float, cuts: list[list[float]]) -> float:
    """`time` on the clock of a video with these cuts, as `Pauses.place` put it there; inside a pause, its end."""
    return time - sum(min(cut, max(0.0, cut - (after - time))) for after, cut in cuts)
