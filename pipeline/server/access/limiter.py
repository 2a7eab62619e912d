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

    def wait(self, *keys: str) -> float:
        """Seconds until a further try is let through, 0 for at once."""
        now = self._clock()
        with self._changing:
            return max((self._left(key, now) for key in keys), default=0.0)

    def _left(self, key: str, now: float) -> float:
        known = self._failures.get(key)
        while known and known[0] <= now - self._window:
            known.popleft()
        return known[0] + self._window - now if known and len(known) >= self._most else 0.0

    def failed(self, *keys: str) -> None:
        """Count a failure."""
        now = self._clock()
        with self._changing:
            for key in keys:
                self._failures.setdefault(key, deque(maxlen=self._most)).append(now)
                self._failures.move_to_end(key)
            while len(self._failures) > _MOST:
                self._failures.popitem(last=False)

    def passed(self, *keys: str) -> None:
        """Forget the failures: it was the right one after all."""
        with self._changing:
            for key in keys:
                self._failures.pop(key, None)
