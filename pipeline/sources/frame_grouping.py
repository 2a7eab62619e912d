"""Which waiting frames make the next set: the rule by which the cameras' frames are put together in time."""

from __future__ import annotations

from collections.abc import Sequence

from relaytrack.pipeline.sources.camera_queue import ACTIVE, DEFAULT_FPS, CameraQueue

POLL = 0.1
"""Seconds after which the queues are looked at again even if nothing has changed."""


class FrameGrouping:
    """Chooses the cameras whose oldest frames make the next set.

    Args:
        window: seconds that the frames of a set may lie apart; None: half the shortest frame interval.
        max_wait: seconds that a set with live cameras waits for a late one.
    """

    def __init__(self, window: float | None, max_wait: float) -> None:
        self._fixed = window
        self._window = 0.5 / DEFAULT_FPS if window is None else window
        self._max_wait = max_wait
        self._live_since: float | None = None  # when the first frame of the coming live group was there
        self.origin = 0.0
        """time.monotonic() at which the recordings of a mixed run begin."""

    def adapt(self, queues: Sequence[CameraQueue]) -> None:
        """Take the window that the opened cameras' rates ask for, unless it is fixed."""
        if self._fixed is None:
            rates = [queue.source.fps or DEFAULT_FPS for queue in queues if queue.opened]
            self._window = 0.5 / max(rates, default=DEFAULT_FPS)

    def choose(self, queues: Sequence[CameraQueue], now: float) -> tuple[list[CameraQueue], float]:
        """The queues whose oldest frames make the next set.

        Args:
            queues: all cameras, in the order of the configuration.
            now: time.monotonic().

        Returns:
            The chosen queues in their order, and the seconds after which it is worth looking again if there are none.
        """
        live, pause = self._live(queues, now)
        if live is None:
            return [], pause
        recorded, due = self._recorded(queues, now)
        if live:
            self._live_since = None
        chosen = live + recorded
        return [queue for queue in queues if queue in chosen], due

    def _recorded(self, queues: Sequence[CameraQueue], now: float) -> tuple[list[CameraQueue], float]:
        recordings = [queue for queue in queues if queue.opened and not queue.source.live and not queue.paused]
        ready = [queue for queue in recordings if queue.waiting]
        if not ready or any(not queue.waiting and not queue.done for queue in recordings):
            return [], POLL
        first = min(queue.head.time for queue in ready)
        passed = now - self.origin
        if first > passed and any(queue.source.live for queue in queues):
            return [], first - passed
        return [queue for queue in ready if queue.head.time == first or queue.head.time < first + self._window], POLL

    def _live(self, queues: Sequence[CameraQueue], now: float) -> tuple[list[CameraQueue] | None, float]:
        """All live cameras with a frame; None while a late one is worth waiting for."""
        live = [queue for queue in queues if queue.source.live and not queue.paused]
        ready = [queue for queue in live if queue.waiting]
        if not ready:
            self._live_since = None
            return [], POLL
        if self._live_since is None:
            self._live_since = min(queue.last for queue in ready)
        until = self._live_since + min(self._max_wait, self._window)
        late = any(not queue.waiting and not queue.done and now - queue.last < ACTIVE for queue in live)
        if late and now < until:
            return None, until - now
        return ready, POLL
