"""A place for one thing between two threads: a newer one replaces the one nobody took."""

from __future__ import annotations

import threading
import time
from typing import Generic, TypeVar

T = TypeVar("T")


class LatestValue(Generic[T]):
    """Holds the newest item, and how the writer ended.

    The writer may hang in a system call for as long as it likes: the reader never waits for it longer than it
    says, and leaves the box by `abandon`, which the writer sees at its next item.
    """

    def __init__(self) -> None:
        """An empty box."""
        self._changed = threading.Condition()
        self._item: T | None = None
        self._replaced = 0
        self._failure: str | None = None
        self._abandoned = False

    @property
    def abandoned(self) -> bool:
        """Whether nobody reads any more."""
        return self._abandoned

    @property
    def failure(self) -> str | None:
        """Why the writer ended, None while it goes on."""
        return self._failure

    def put(self, item: T) -> None:
        """Leave the newest item; the one before, if still there, counts as replaced."""
        with self._changed:
            self._replaced += self._item is not None
            self._item = item
            self._changed.notify_all()

    def fail(self, reason: str) -> None:
        """Say that no more items come; the last one can still be taken."""
        with self._changed:
            self._failure = reason
            self._changed.notify_all()

    def abandon(self) -> None:
        """Read no more."""
        with self._changed:
            self._abandoned = True
            self._item = None
            self._changed.notify_all()

    def take(self, timeout: float) -> tuple[T | None, int]:
        """The newest item as soon as there is one, and how many it replaced.

        Args:
            timeout: seconds to wait at the most; the wait ends early when the writer ended.

        Returns:
            (item, replaced); the item is None where none came.
        """
        until = time.monotonic() + timeout
        with self._changed:
            while self._item is None and self._failure is None and not self._abandoned:
                left = until - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            item, self._item = self._item, None
            replaced, self._replaced = self._replaced, 0
            return item, replaced
