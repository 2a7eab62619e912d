"""Work of several threads of which one part must be done in order."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """Lets pieces of work, numbered 0, 1, 2, ... and begun in that order, wait for one another."""

    def __init__(self) -> None:
        self._next = 0
        self._changed = threading.Condition()
        self._passed: set[int] = set()

    @contextmanager
    def piece(self, number: int) -> Iterator[Turn]:
        """Do a piece of work; its turn is over at the latest when it ends, also when it fails."""
        turn = Turn(self, number)
        try:
            yield turn
        finally:
            turn.over()

    def wait_for(self, number: int) -> None:
        """Return when the turn of all pieces before `number` is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._next >= number)

    def pass_on(self, number: int) -> None:
        """Say that the turn of a piece is over; a second call does nothing."""
        with self._changed:
            if number >= self._next:
                self._passed.add(number)
            while self._next in self._passed:
                self._passed.remove(self._next)
                self._next += 1
            self._changed.notify_all()


class Turn:
    """The turn of one piece of work."""

    def __init__(self, turns: Turns, number: int) -> None:
        self._turns, self._number = turns, number

    def wait(self) -> None:
        """Return when it comes."""
        self._turns.wait_for(self._number)

    def over(self) -> None:
        """Let the next piece have its turn."""
        self._turns.pass_on(self._number)
