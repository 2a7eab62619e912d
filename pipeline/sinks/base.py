"""What a sink is: a consumer of time steps that leaves complete files behind."""

from __future__ import annotations

from typing import Protocol, TypeAlias

from relaytrack.pipeline.records import FrameTracks

Step: TypeAlias = tuple[FrameTracks, ...]
"""One moment of the run: at most one `FrameTracks` per camera."""


class Sink(Protocol):
    """Writes what a run finds.

    Whatever happens between two calls, a killed process included, leaves readable files; after `close` they are
    complete. All calls come from one thread.
    """

    def write(self, step: Step) -> None:
        """Take one moment; steps come in time order.

        Raises:
            OutputError: it cannot be written (disk full, ...).
        """

    def close(self) -> None:
        """Complete every file; a second call does nothing.

        Raises:
            OutputError: a file cannot be completed.
        """
