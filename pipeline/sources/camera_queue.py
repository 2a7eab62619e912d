"""The frames of one camera that wait to be put together with those of the others."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Literal

from relaytrack.pipeline.records import Frame
from relaytrack.pipeline.sources.base import Source

DEFAULT_FPS = 25.0
"""Rate of a source that does not name its own."""
ACTIVE = 1.0
"""Seconds: nobody waits for a live camera that has been silent for longer."""

CameraState = Literal["opening", "running", "waiting", "paused", "ended", "failed"]
"""`waiting`: a live camera without a picture at present, which is sought again."""


@dataclass(slots=True, eq=False)
class CameraQueue:
    """One camera's waiting frames and what it is doing; guarded by the synchroniser's condition.

    Attributes:
        source: where the frames come from.
        capacity: frames that wait at the most.
        waiting: the frames, oldest first.
        opened, done, failed: how far the source has come.
        paused: no frames are taken at present.
        gone: the camera was removed or is read from another source.
        last: time.monotonic() of the newest frame.
        newest: time of the newest frame on the run's clock, also of the source before; later ones alone are taken.
    """

    source: Source
    capacity: int
    waiting: deque[Frame] = field(default_factory=deque)
    opened: bool = False
    done: bool = False
    failed: bool = False
    paused: bool = False
    gone: bool = False
    last: float = 0.0
    newest: float = -math.inf

    @property
    def head(self) -> Frame:
        """The oldest frame that waits."""
        return self.waiting[0]

    @property
    def full(self) -> bool:
        """Whether a further frame has no room."""
        return len(self.waiting) >= self.capacity

    @property
    def finished(self) -> bool:
        """Whether no frame will ever come again."""
        return self.done and not self.waiting and not self.paused

    def state(self, now: float) -> CameraState:
        """What the camera is doing at `now`, a reading of time.monotonic()."""
        if self.paused:
            return "paused"
        if self.failed:
            return "failed"
        if self.done and not self.waiting:
            return "ended"
        if not self.opened:
            return "opening"
        silent = now - self.last > max(ACTIVE, 3.0 / (self.source.fps or DEFAULT_FPS))
        if self.source.live and silent and self.source.stats.error is not None:
            return "waiting"
        return "running"
