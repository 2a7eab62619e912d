"""Growing pauses between the tries of something that fails."""

from __future__ import annotations

import random
from collections.abc import Callable


class Backoff:
    """Pauses that are doubled each time, up to a limit.

    Args:
        initial: seconds of the first pause.
        longest: seconds of a pause at the most.
        chance: gives numbers in 0..1; each pause is shortened by up to half by them. So cameras that were lost together
            do not come back all at once. None shortens no pause.
    """

    def __init__(self, initial: float, longest: float, chance: Callable[[], float] | None = random.random) -> None:
        self._initial, self._longest, self._chance = initial, longest, chance
        self._next = initial

    def pause(self) -> float:
        """Seconds to wait before the coming try."""
        pause = min(self._next, self._longest)
        self._next = min(2 * pause, self._longest)
        return pause if self._chance is None else pause * (1.0 - 0.5 * self._chance())

    def reset(self) -> None:
        """Begin anew, after a success."""
        self._next = self._initial
