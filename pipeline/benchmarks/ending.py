"""How a measurement of hours ends when it is told to: with what it has, which is judged as at its usual end."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_TOGETHER = 1.0  # seconds in which two signals count as one
_LOOK = 0.1  # seconds after which a wait looks whether it is to end


class Ending:
    """Whether a measurement is to end now.

    Attributes:
        told: whether it is.
    """

    def __init__(self) -> None:
        self.told = False
        self._calls: list[Callable[[], object]] = []

    def tell(self) -> None:
        """End it soon; from any thread or signal, since no lock is taken."""
        self.told = True
        for call in list(self._calls):
            call()

    @contextmanager
    def calls(self, call: Callable[[], object]) -> Iterator[None]:
        """Call this, too, where the end is told within the block or was before; it is safe in a signal."""
        self._calls.append(call)
        try:
            if self.told:
                call()
            yield
        finally:
            self._calls.remove(call)

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until the end is told; returns whether it is."""
        until = time.monotonic() + seconds
        while not self.told and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, _LOOK))
        return self.told


@contextmanager
def ended_by_signals(say: Callable[[str], object]) -> Iterator[Ending]:
    """SIGINT and SIGTERM end the measurement in the block early; a SIGINT a second later or more interrupts it.

    `timeout -s INT` sends it twice at the same moment. Both signals count even where the shell that started it in the
    background ignores SIGINT.

    Args:
        say: told that it ends.
    """
    ending, first = Ending(), 0.0

    def end(number: int, _: FrameType | None) -> None:
        nonlocal first
        if ending.told:
            if number == signal.SIGINT and time.monotonic() >= first + _TOGETHER:
                raise KeyboardInterrupt
            return
        first = time.monotonic()
        ending.tell()
        say(f"{signal.Signals(number).name}: ends early, and judges what there is so far")

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield ending
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
