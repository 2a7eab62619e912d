"""The batches of all cameras as they reach the identity service: from whom, in which order, and which are missing."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence

from relaytrack.pipeline.cluster.answers import BatchAnswer
from relaytrack.pipeline.cluster.batches import TrackletBatch
from relaytrack.pipeline.cluster.claims import Claims
from relaytrack.pipeline.cluster.greetings import CameraHello, GapError
from relaytrack.pipeline.cluster.memory import Memory
from relaytrack.pipeline.cluster.watermark import WatermarkMerge

_DEFAULT_FPS = 25.0


class CameraStreams:
    """Checks and queues batches; guarded by the lock of `IdentityDesk`.

    Args:
        memory: what has been decided.
        window: seconds that the batches of a set may lie apart; None: half the shortest frame interval.
        wait: seconds that a live set waits for a camera.

    Attributes:
        claims: which node follows which camera.
        merge: puts the batches together to sets.
        rates: frames per second of the cameras that have begun, None where it is not known.
        lost: by camera, batches that never came.
    """

    def __init__(self, memory: Memory, window: float | None, wait: float) -> None:
        self._memory, self._window = memory, window
        self._received = dict(memory.seen)
        self._first_ids: dict[str, int] = {}
        self.claims = Claims()
        self.merge = WatermarkMerge(window or 0.5 / _DEFAULT_FPS, wait)
        self.rates: dict[str, float | None] = {}
        self.lost: Counter[str] = Counter()

    def begin(self, name: str, about: CameraHello) -> list[BatchAnswer]:
        """A node follows a camera from now on.

        Returns:
            Answers to batches of a live camera that waited: its earlier node still waits for them.
        """
        memory, begins = self._memory, about.live and about.first is None  # a node that comes back has its numbers
        self._first_ids[name] = memory.first_id(name) if begins else 0
        self.rates[name] = about.fps or self.rates.get(name)
        dropped = self.merge.drop(name)
        answers = [memory.again(one) for one in dropped] if about.live else []
        self.merge.open(name, live=about.live)
        seen = memory.seen.get(name, 0)
        if about.first is not None and about.first > seen + 1:
            self.lost[name] += about.first - seen - 1
            memory.seen[name] = about.first - 1
        self._received[name] = memory.seen.get(name, 0)
        return answers

    def fit_window(self) -> None:
        """Take the window that the cameras' rates ask for, unless it is fixed."""
        if self._window is None:
            self.merge.window = 0.5 / max(rate or _DEFAULT_FPS for rate in self.rates.values())

    def places(self, cameras: Iterable[str]) -> tuple[dict[str, int], dict[str, int]]:
        """By camera, the last batch that has come, and the number after which its track ids begin."""
        names = list(cameras)
        return {name: self._received[name] for name in names}, {name: self._first_ids[name] for name in names}

    def check(self, node: str, order: int, batches: Sequence[TrackletBatch]) -> None:
        """Refuse batches of somebody else's cameras, and batches that come too early.

        Raises:
            ClaimError: another node follows a camera.
            GapError: batches before these have not arrived.
        """
        reached: dict[str, int] = {}
        for batch in batches:
            self.claims.check(node, order, batch.camera)
            before = reached.get(batch.camera, self._received.get(batch.camera, 0))
            if batch.sequence > before + 1:
                raise GapError(f"camera {batch.camera!r}: batches before {batch.sequence} are missing")
            reached[batch.camera] = max(batch.sequence, before)

    def put(self, batch: TrackletBatch) -> None:
        """Queue a batch, unless it has come before."""
        if batch.sequence > self._received.get(batch.camera, 0):
            self._received[batch.camera] = batch.sequence
            self.merge.put(batch, time.monotonic())
