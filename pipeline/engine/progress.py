"""What watches a run from outside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from relaytrack.pipeline.runtime.summary import Summary


class Progress(Protocol):
    """Watches a run; see `relaytrack.pipeline.cli.progress`."""

    def start(self, phase: str, total: float | None = None) -> None:
        """A phase begins: "follow" (total unknown) or "finalize" (total = 1)."""

    def step(self, summary: Summary, waiting: Mapping[str, int]) -> None:
        """A step came out; `waiting` is the number of decoded frames that wait, by camera."""

    def advance(self, done: float) -> None:
        """The share of the phase that is done, 0..1."""

    def stop(self) -> None:
        """The run is over."""
