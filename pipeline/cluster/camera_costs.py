"""What each camera of a program costs: seconds of the networks' work for a second of its video."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from relaytrack.pipeline.runtime.load import DROPPED

WINDOW = 10.0
"""Seconds over which costs are measured."""
_LEAST = 3.0  # seconds before a camera's cost is told
_EVERY = 1.0  # seconds between two samples


@dataclass(frozen=True, slots=True)
class Worked:
    """What was done for a camera so far.

    Attributes:
        seconds: of the networks; frames: that came out; dropped: that came too fast.
    """

    seconds: float
    frames: int
    dropped: int


@dataclass(frozen=True, slots=True)
class CameraCosts:
    """What the cameras of a piece of work cost at present.

    Attributes:
        cameras: seconds of work per second of video, dropped frames included, as if nothing was saved; only cameras
            that have been followed for a few seconds.
        streams: moments that the networks work on side by side: seconds of work that they can do in a second.
        behind: frames are dropped, or effort is saved, for want of time.
    """

    cameras: Mapping[str, float] = field(default_factory=dict)
    streams: int = 1
    behind: bool = False


class CostMeter:
    """Measures costs over the last seconds."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, Mapping[str, Worked]]] = deque()

    def look(self, now: float, worked: Mapping[str, Worked], *, saved: float = 1.0, streams: int = 1) -> CameraCosts:
        """Take the present figures; the costs of the last seconds.

        Args:
            now: seconds.
            worked: what was done so far, by camera.
            saved: by what the networks' time is divided because effort is saved; see `Effort.saved`.
            streams: as of `CameraCosts`.
        """
        if not self._samples or now - self._samples[-1][0] >= _EVERY:
            self._samples.append((now, dict(worked)))
        while now - self._samples[0][0] > WINDOW:
            self._samples.popleft()
        costs, frames, dropped = {}, 0, 0
        for name, last in worked.items():
            begun = next(((then, known[name]) for then, known in self._samples if name in known), None)
            if begun is None or now - begun[0] < _LEAST:
                continue
            came, lost = last.frames - begun[1].frames, last.dropped - begun[1].dropped
            frames, dropped = frames + came, dropped + lost
            if came > 0:
                wanted = (came + max(lost, 0)) / came
                costs[name] = max(0.0, last.seconds - begun[1].seconds) / (now - begun[0]) * wanted * saved
        return CameraCosts(costs, streams, saved > 1.0 or dropped > DROPPED * max(frames + dropped, 1))
