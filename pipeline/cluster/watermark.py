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
        self._first = math.inf  # the time of the earliest batch that waits
        self._oldest = -math.inf  # when the batch that has waited longest arrived, as of the last look
        self._blocking: _CameraBatches | None = None
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

    def drop(self, camera: str) -> list[TrackletBatch]:
        """Take away what waits of a camera: its sender begins anew."""
        queue = self._cameras.get(camera)
        if queue is None:
            return []
        queue.bound = -math.inf
        dropped = [batch for batch, _ in queue.waiting]
        if dropped:
            queue.waiting.clear()
            self._look_again()
        return dropped

    def put(self, batch: TrackletBatch, now: float) -> None:
        """Take a batch; the batches of one camera come in order."""
        queue = self._cameras[batch.camera]
        if not queue.waiting:
            self._first = min(self._first, batch.time)
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
        if self._first == math.inf or self._still_missing(now):
            return []
        ready = [queue for queue in self._cameras.values() if queue.waiting]
        first = self._first
        end = first + self.window
        missing = [
            queue for queue in self._cameras.values() if not queue.waiting and not queue.ended and queue.bound < end
        ]
        recorded = next((queue for queue in missing if not queue.live), None)
        if recorded is not None:
            self._blocking = recorded
            return []
        self._oldest = min(queue.waiting[0][1] for queue in ready)
        silent = [queue for queue in missing if now - queue.newest < _SILENT]
        if silent and now < self._oldest + self._wait:
            self._blocking = silent[0]
            return []
        self._decided = max(self._decided, first)
        chosen = [queue for queue in ready if queue.head == first or queue.head < end]
        found = [queue.waiting.popleft()[0] for queue in chosen]
        self._look_again()
        return found

    def _still_missing(self, now: float) -> bool:
        """Whether the camera that held up the last set still does: a quick check instead of a look at all cameras."""
        queue = self._blocking
        if queue is None or queue.waiting or queue.ended or queue.bound >= self._first + self.window:
            return False
        return not queue.live or (now - queue.newest < _SILENT and now < self._oldest + self._wait)

    def _look_again(self) -> None:
        """Note the earliest batch that waits, after some were taken away."""
        self._first = min((queue.head for queue in self._cameras.values() if queue.waiting), default=math.inf)
        self._blocking = None

    @property
    def over(self) -> bool:
        """Whether every camera has ended and nothing waits."""
        return all(queue.ended and not queue.waiting for queue in self._cameras.values())

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return self._first == math.inf

    def waiting(self) -> dict[str, int]:
        """Batches that wait, by camera."""
        return {name: len(queue.waiting) for name, queue in self._cameras.items()}
