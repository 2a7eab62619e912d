"""What carries a node's calls to the identity service: within a process, or another program's transport."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any, Literal, Protocol

from relaytrack.pipeline.cluster.desk import IdentityDesk
from relaytrack.pipeline.errors import RelayTrackError

Question = Literal["hello", "end", "final", "calibrate", "forget", "colors", "clock", "status"]
"""What can be asked: the methods of `IdentityDesk` of these names."""


class BusLostError(RelayTrackError):
    """The identity service cannot be reached at present."""


class Call(Protocol):
    """A call that is on its way."""

    def result(self, timeout: float | None = None) -> bytes:
        """Wait for the answer.

        Raises:
            TimeoutError: there is none yet.
            BusLostError: it was lost.
            RelayTrackError: what the service refused it with.
        """


class Bus(Protocol):
    """The way to the identity service. Calls of one node arrive in the order in which they were made."""

    def submit(self, node: str, order: int, token: int, since: float, data: bytes, heard: int = 0) -> Call:
        """Send batches; see `IdentityDesk.submit`. Never blocks and never raises: failures come with the result."""

    def ask(self, question: Question, *words: Any, timeout: float | None = None) -> Any:
        """Ask something and wait for the answer.

        Raises:
            TimeoutError, BusLostError, RelayTrackError: as of `Call.result`.
        """


class InProcessBus:
    """Calls the service directly.

    Attributes:
        desk: the service; None while it cannot be reached.
    """

    def __init__(self, desk: IdentityDesk | None) -> None:
        self.desk = desk

    def submit(self, node: str, order: int, token: int, since: float, data: bytes, heard: int = 0) -> Call:
        """See `Bus.submit`."""
        desk = self.desk
        try:
            if desk is None:
                raise BusLostError("the identity service is gone")
            return desk.submit(node, order, token, since, data, heard)
        except RelayTrackError as error:
            failed: Future[bytes] = Future()
            failed.set_exception(error)
            return failed

    def ask(self, question: Question, *words: Any, timeout: float | None = None) -> Any:
        """See `Bus.ask`."""
        if self.desk is None:
            raise BusLostError("the identity service is gone")
        answer = getattr(self.desk, question)(*words)
        return answer.result(timeout) if isinstance(answer, Future) else answer
