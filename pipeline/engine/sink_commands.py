"""Who gets the steps of a run: a loop of the program, and receivers that come and go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from relaytrack.pipeline.engine.lifecycle import RunLifecycle
from relaytrack.pipeline.engine.own_parts import check_sink
from relaytrack.pipeline.records import Step
from relaytrack.pipeline.runtime.sink_host import SinkHost
from relaytrack.pipeline.runtime.step_queue import StepQueue
from relaytrack.pipeline.sinks.base import Sink


class SinkCommands(RunLifecycle):
    """Hands out the steps of a run; the base of `Pipeline`."""

    _host: SinkHost

    def steps(
        self, *, pixels: bool = False, drawn: bool = False, when_full: Literal["block", "drop_oldest"] | None = None
    ) -> Iterator[Step]:
        """Iterate over the run's steps, and start it if need be; several loops at the same time each get every step.

        Leaving the loop early stops a run that this call has started.

        Args:
            pixels: steps come with `images`.
            drawn: steps come with `drawn`.
            when_full: what happens while the caller is busy and the queue is full: "block" makes the run wait (the
                default for recordings), "drop_oldest" drops (the default for live cameras).

        Raises:
            ConfigError: the run is over.
            RelayTrackError: what ended the run, as in `run`.
        """
        if self._failure is not None:
            raise self._failure
        queue = StepQueue(pixels=pixels, drawn=drawn)
        name = self.add_sink(queue, name="steps", when_full=when_full)
        ours, whole = self._state == "new", False
        try:
            self.start()
            yield from queue
            whole = True
        finally:
            queue.leave()
            if not ours:
                self._host.remove(name)
            elif self._thread is not None:
                if not whole:
                    self.stop()
                self._thread.join()
        if self._failure is not None:
            raise self._failure

    def add_sink(self, sink: Sink, *, name: str | None = None, when_full: Any = None, on_error: Any = None) -> str:
        """Take up a further receiver, before the run or while it goes on; returns its unique name.

        Raises:
            ConfigError: it has no `write()` or no `close()`, a policy is unknown, or the run is over.
        """
        check_sink(sink, when_full=when_full, on_error=on_error)
        return self._host.add(sink, name=name, when_full=when_full, on_error=on_error)

    def remove_sink(self, name: str) -> None:
        """Let a receiver write what waits for it, close it and forget it."""
        self._host.remove(name)
