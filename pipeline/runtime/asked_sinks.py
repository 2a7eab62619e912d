"""Calls of sinks that somebody waits for."""

from __future__ import annotations

import threading
import time
from typing import Any

from relaytrack.pipeline.config.urls import redact_url
from relaytrack.pipeline.errors import SinkError
from relaytrack.pipeline.runtime.sink_thread import AwaitedCall, SinkThread


class Asked:
    """Calls of several sinks that were asked for."""

    def __init__(self) -> None:
        self._waiting: dict[str, threading.Event] = {}
        self._failures: list[BaseException] = []

    def add(self, thread: SinkThread, method: str, given: tuple[Any, ...]) -> None:
        """Ask one sink; one that takes nothing any more is called at once."""
        done = self._waiting[thread.name] = threading.Event()

        def call() -> None:
            try:
                getattr(thread.sink, method)(*given)
            except BaseException as error:  # whoever asked is told; the sink goes on
                self._failures.append(error)
            finally:
                done.set()

        if not thread.tell(AwaitedCall(call)):
            call()

    def wait(self, timeout: float) -> None:
        """Wait for all of them.

        Raises:
            SinkError: one failed, or did not get to it in time.
        """
        end = time.monotonic() + timeout
        for name, done in self._waiting.items():
            if not done.wait(max(0.0, end - time.monotonic())):
                raise SinkError(f"sink {name}: not done after {timeout:g} s")
        if self._failures:
            raise SinkError(" ".join(redact_url(str(self._failures[0])).split()))
