"""Decides how much effort the networks can afford: less when frames are dropped, more when there is time again."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from relaytrack.pipeline.perception.effort import Effort

WINDOW = 5.0
"""Seconds over which drops and work are looked at."""
CALM = 20.0
"""Seconds without drops before more is tried again."""
DROPPED = 0.05
"""Share of frames dropped from which there is too little time."""
ROOM = 0.8
"""Share of the time that the networks may take with more effort, as far as that can be told beforehand."""
_FEWEST = 10  # frames that a share is made of
_STOOD_STILL = 10.0  # seconds between two looks from which on the program must have been stopped


@dataclass(frozen=True, slots=True)
class Work:
    """What was done so far.

    Attributes:
        time: seconds.
        frames: frames of live cameras that came out; dropped: that were dropped.
        busy: seconds that the networks have worked.
    """

    time: float
    frames: int
    dropped: int
    busy: float


class LoadControl:
    """Sets the effort.

    A step down is taken when more than `DROPPED` of the frames of the last `WINDOW` seconds were dropped while the
    networks were busy. A step up is taken after `CALM` seconds with next to no drop, if the networks would
    have room: the time that they take now, times what the last measure saves at the most, stays below `ROOM`. After a
    step up that was wrong the next one is tried later, twice as late each time. What is dropped within `2 * WINDOW`
    seconds after the program stood still says nothing: it waited meanwhile.

    Args:
        effort: what is set.
        streams: moments that the networks work on side by side.
    """

    def __init__(self, effort: Effort, streams: int = 1) -> None:
        self.effort = effort
        self._streams = streams
        self._work: deque[Work] = deque()
        self._changed = float("-inf")
        self._troubled = float("-inf")
        self._patience = CALM
        self._raised = float("-inf")
        self._resumed = float("-inf")  # time at which the program went on after a standstill

    def look(self, now: Work) -> bool:
        """Take the present figures, about once a second; whether the effort was changed."""
        work = self._work
        if work and now.time - work[-1].time > _STOOD_STILL:
            self._resumed = now.time
        if now.time - self._resumed <= 2 * WINDOW:
            work.clear()
        work.append(now)
        while now.time - work[0].time > WINDOW:
            work.popleft()
        first = work[0]
        passed = now.time - first.time
        total = now.frames - first.frames + now.dropped - first.dropped
        if passed < WINDOW / 2 or total < _FEWEST:
            return False
        dropped = (now.dropped - first.dropped) / total
        busy = (now.busy - first.busy) / (passed * self._streams)
        if dropped > DROPPED:
            self._troubled = now.time
        level, measures = self.effort.level, self.effort.measures
        if dropped > DROPPED and busy > 0.5 and level + 1 < len(measures):
            if now.time - self._raised < 2 * CALM:
                self._patience = min(2 * self._patience, 600.0)
            return self._set(level + 1, now)
        calm = now.time - max(self._troubled, self._changed)
        if level > 0 and calm >= self._patience and busy * measures[level].saves < ROOM:
            self._raised = now.time
            return self._set(level - 1, now)
        if calm > 4 * self._patience:
            self._patience = CALM
        return False

    def _set(self, level: int, now: Work) -> bool:
        self.effort.set(level)
        self._changed = now.time
        self._work.clear()
        self._work.append(now)
        return True
