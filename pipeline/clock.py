"""The run's clock as dates: fixed once by the first frame that is seen."""

from __future__ import annotations

import time

from relaytrack.pipeline.records import Frame


class WallClock:
    """Turns times of the run's clock into seconds since the epoch.

    The first frame fixes the relation for the whole run: its arrival is now, less the time it has waited.
    """

    def __init__(self) -> None:
        self.zero: float | None = None

    def epoch(self, frame: Frame) -> float:
        """Seconds since the epoch at the frame's time."""
        if self.zero is None:
            waited = time.monotonic() - frame.arrived if frame.arrived > 0 else 0.0
            self.zero = time.time() - max(0.0, waited) - frame.time
        return self.zero + frame.time
