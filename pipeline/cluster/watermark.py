"""Merges the cameras' batches by time: what is decided together, and in which order, on one machine or on many."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from relaytrack.pipeline.cluster.batches import TrackletBatch

_SILENT = 1.0  # seconds without a batch after which a live camera is not waited for


@dataclass(slots=True)
class _CameraBatches:
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
        self._cameras: dict[str, _CameraBatches] = {}
        self._decided = -math.inf
        self.late: Counter[str] = Counter()

    def open(self, camera: str, *, live: bool) -> None:
        """Expect batches of a camera; one that is known begins anew where it was."""
        queue = self._cameras.setdefault(camera, _CameraBatches(live))
        queue.live, queue.ended = live, False

    def end(self, cameras: Iterable[str]) -> None:
        """No more batches of these cameras come."""
        for camera in cameras:
            if camera in self._cameras:
                self._cameras[camera].ended = True

    def drop(self, camera: str) -> None:
        """Throw away what waits of a camera: its sender begins anew."""
        if camera in self._cameras:
            self._cameras[camera].waiting.clear()
            self._cameras[camera].bound = -math.inf

    def put(self, batch: TrackletBatch, now: float) -> None:
        """Take a batch; a camera's come in order."""
        queue = self._cameras[batch.camera]
        queue.waiting.append((batch, now))
        queue.bound, queue.newest = max(queue.bound, batch.time), now
        if batch.time < self._decided:
            self.late[batch.camera] += 1

    def not_before(self, cameras: Iterable[str], time: float) -> None:
        """These cameras have no batch before `time` that has not been put."""
        for camera in cameras:
            if camera in self._cameras:
                self._cameras[camera].bound = max(self._cameras[camera].bound, time)

    def take(self, now: float) -> list[TrackletBatch]:
        """The next set, [] where it is not complete yet."""
        ready = [queue for queue in self._cameras.values() if queue.waiting]
        if not ready:
            return []
        first = min(queue.head for queue in ready)
        end = first + self.window
        missing = [
            queue for queue in self._cameras.values() if not queue.waiting and not queue.ended and queue.bound < end
        ]
        if any(not queue.live for queue in missing):
            return []
        oldest = min(queue.waiting[0][1] for queue in ready)
        if any(now - queue.newest < _SILENT for queue in missing) and now < oldest + self._wait:
            return []
        self._decided = max(self._decided, first)
        chosen = [queue for queue in ready if queue.head == first or queue.head < end]
        return [queue.waiting.popleft()[0] for queue in chosen]

    @property
    def over(self) -> bool:
        """Whether every camera has ended and nothing waits."""
        return all(queue.ended and not queue.waiting for queue in self._cameras.values())

    def waiting(self) -> dict[str, int]:
        """Batches that wait, by camera."""
        return {name: len(queue.waiting) for name, queue in self._cameras.items()}
