"""Merges the cameras' batches by time: what is decided together, and in which order, on one machine or on many."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from relaytrack.pipeline.cluster.batches import TrackletBatch

_SILENT = 1.0  # seconds without a batch after which a live camera is not waited for


@dataclass(slots=True)
class _Lane:
    live: bool
    waiting: deque[tuple[TrackletBatch, float]] = field(default_factory=deque)
    bound: float = -math.inf  # no batch before this time comes any more
    ended: bool = False
    newest: float = -math.inf  # when the newest batch arrived

    @property
    def head(self) -> float:
        return self.waiting[0][0].time


class WatermarkMerge:
    """Puts batches together to the sets that are decided at once: at most one of a camera, less than `window` apart.

    Recordings are merged by their times alone, whenever their batches arrive: a set begins with the earliest batch
    and is complete when no camera can have an earlier one in it. It is the rule of `FrameSynchronizer`, so a cluster
    decides the same sets as one machine. A live set waits `wait` seconds at most; a batch that comes after its set
    was decided is counted as late and decided by itself.

    Args:
        window: seconds that the batches of a set may lie apart.
        wait: seconds that a live set waits for a camera.
    """

    def __init__(self, window: float, wait: float = 0.2) -> None:
        self.window, self._wait = window, wait
        self._lanes: dict[str, _Lane] = {}
        self._decided = -math.inf
        self.late: Counter[str] = Counter()

    def open(self, camera: str, *, live: bool) -> None:
        """Expect batches of a camera; one that is known begins anew where it was."""
        lane = self._lanes.setdefault(camera, _Lane(live))
        lane.live, lane.ended = live, False

    def end(self, cameras: Iterable[str]) -> None:
        """No more batches of these cameras come."""
        for camera in cameras:
            if camera in self._lanes:
                self._lanes[camera].ended = True

    def drop(self, camera: str) -> None:
        """Throw away what waits of a camera: its sender begins anew."""
        if camera in self._lanes:
            self._lanes[camera].waiting.clear()
            self._lanes[camera].bound = -math.inf

    def put(self, batch: TrackletBatch, now: float) -> None:
        """Take a batch; a camera's come in order."""
        lane = self._lanes[batch.camera]
        lane.waiting.append((batch, now))
        lane.bound, lane.newest = max(lane.bound, batch.time), now
        if batch.time < self._decided:
            self.late[batch.camera] += 1

    def not_before(self, cameras: Iterable[str], time: float) -> None:
        """These cameras have no batch before `time` that has not been put."""
        for camera in cameras:
            if camera in self._lanes:
                self._lanes[camera].bound = max(self._lanes[camera].bound, time)

    def take(self, now: float) -> list[TrackletBatch]:
        """The next set, [] where it is not complete yet."""
        ready = [lane for lane in self._lanes.values() if lane.waiting]
        if not ready:
            return []
        first = min(lane.head for lane in ready)
        end = first + self.window
        missing = [lane for lane in self._lanes.values() if not lane.waiting and not lane.ended and lane.bound < end]
        if any(not lane.live for lane in missing):
            return []
        oldest = min(lane.waiting[0][1] for lane in ready)
        if any(now - lane.newest < _SILENT for lane in missing) and now < oldest + self._wait:
            return []
        self._decided = max(self._decided, first)
        chosen = [lane for lane in ready if lane.head == first or lane.head < end]
        return [lane.waiting.popleft()[0] for lane in chosen]

    @property
    def over(self) -> bool:
        """Whether every camera has ended and nothing waits."""
        return all(lane.ended and not lane.waiting for lane in self._lanes.values())

    def waiting(self) -> dict[str, int]:
        """Batches that wait, by camera."""
        return {name: len(lane.waiting) for name, lane in self._lanes.items()}
