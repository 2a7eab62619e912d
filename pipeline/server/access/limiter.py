"""A limit on tries: guessing passwords takes years instead of hours."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable

_MOST = 10_000  # keys that are remembered


class Limiter:
    """Counts failures per key (an address, a name) within a window.

    Args:
        most: failures that are let through.
        window: seconds after which one is forgotten.
        clock: seconds that only grow.
    """

    def __init__(self, most: int = 5, window: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._window, self._clock = most, window, clock
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._changing = threading.Lock()

    def take(self, *keys: str) -> float:
        """Begin a try, which counts as a failure until `passed`; those side by side cannot all slip through.

        Returns:
            0, or the seconds until a further try is let through; then nothing is counted.
        """
        now = self._clock()
        with self._changing:
            left = max((self._left(key, now) for key in keys), default=0.0)
            if left > 0:
                return left
            for key in keys:
                self._failures.setdefault(key, deque(maxlen=self._most)).append(now)
                self._failures.move_to_end(key)
            while len(self._failures) > _MOST:
                self._failures.popitem(last=False)
            return 0.0

    def _left(self, key: str, now: float) -> float:
        known = self._failures.get(key)
        while known and known[0] <= now - self._window:
            known.popleft()
        return known[0] + self._window - now if known and len(known) >= self._most else 0.0

    def passed(self, *keys: str) -> None:
        """The try succeeded and does not count; earlier failures do, or one's own log-in would reset them."""
        with self._changing:
            for key in keys:
                known = self._failures.get(key)
                if known:
                    known.pop()
