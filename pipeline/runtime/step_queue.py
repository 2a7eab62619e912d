"""A receiver that hands its steps to a loop."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator

from relaytrack.pipeline.records import Step


class StepQueue:
    """Iterating over it gives the steps in order, and ends with the run.

    Args:
        pixels: steps come with `images`.
        drawn: steps come with `drawn`.
        room: steps that wait for the loop at the most.
    """

    name = "steps"

    def __init__(self, *, pixels: bool = False, drawn: bool = False, room: int = 4) -> None:
        self.needs_pixels, self.needs_drawn = pixels, drawn
        self._room = room
        self._waiting: deque[Step] = deque()
        self._changed = threading.Condition()
        self._over = self._left = False

    def write(self, step: Step) -> None:
        """Hand over a step; waits until there is room."""
        with self._changed:
            while len(self._waiting) >= self._room and not self._left:
                self._changed.wait()
            if not self._left:
                self._waiting.append(step)
                self._changed.notify_all()

    def close(self) -> None:
        """No more steps come."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def leave(self) -> None:
        """Nobody takes steps any more: `write` waits no longer."""
        with self._changed:
            self._left = True
            self._waiting.clear()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[Step]:
        while True:
            with self._changed:
                while not self._waiting and not self._over:
                    self._changed.wait()
                if not self._waiting:
                    return
                step = self._waiting.popleft()
                self._changed.notify_all()
            yield step
