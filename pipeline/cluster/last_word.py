"""The identity of every track at the end of a run, for the nodes that ask for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future

FinalIds = dict[tuple[str, int], int]
"""(camera, track id) -> identity."""


class LastWord:
    """Who asked, and the answer; guarded by the lock of `IdentityDesk`."""

    def __init__(self) -> None:
        self._asked: list[Future[FinalIds]] = []
        self._result: FinalIds | None = None

    def ask(self) -> Future[FinalIds]:
        """Wait for the answer."""
        future: Future[FinalIds] = Future()
        self._asked.append(future)
        return future

    def take_back(self) -> None:
        """A camera goes on: the answer that was given is not the last one."""
        self._result = None

    def say(self, final: Callable[[], Mapping[tuple[str, int], int]]) -> None:
        """Answer those who asked; `final` gives the identities."""
        if self._asked and self._result is None:
            self._result = dict(final())
        for future in self._asked:
            if self._result is not None and not future.done():
                future.set_result(self._result)
        self._asked.clear()

    def fail(self, error: BaseException) -> None:
        """There will be no answer."""
        for future in self._asked:
            if not future.done():
                future.set_exception(error)
        self._asked.clear()
