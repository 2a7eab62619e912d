"""When the identity service of a cluster writes what it knows."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from typing import Any

from relaytrack.pipeline.cluster.checkpoint import Checkpoints
from relaytrack.pipeline.cluster.memory import Memory

_SHARE = 20.0  # a checkpoint that took t seconds is followed by none for this many times t


class MemoryKeeper:
    """Writes checkpoints, each some time after the one before.

    Args:
        checkpoints: where they go; None keeps none.
        every: least seconds between two.

    Attributes:
        bytes: of the last one.
    """

    def __init__(self, checkpoints: Checkpoints | None, every: float) -> None:
        self._checkpoints, self._every = checkpoints, every
        self._due = 0.0
        self.bytes = 0

    def due(self) -> bool:
        """Whether it is time for one."""
        return time.monotonic() >= self._due

    def keep(self, memory: Memory, lock: AbstractContextManager[Any]) -> None:
        """Write a checkpoint, with `lock` held; the next one waits in proportion to the time that this one took.

        Raises:
            FencedError: a newer service has taken over.
            OutputError: it cannot be written.
        """
        if self._checkpoints is None:
            return
        started = time.monotonic()
        with lock:
            self.bytes = self._checkpoints.write(memory)
        self._due = time.monotonic() + max(self._every, _SHARE * (time.monotonic() - started))

    def close(self, *, forget: bool) -> None:
        """Close the file; `forget` deletes it."""
        if self._checkpoints is not None:
            (self._checkpoints.remove if forget else self._checkpoints.close)()
