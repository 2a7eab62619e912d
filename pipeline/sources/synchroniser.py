"""Puts the frames of all cameras together by time: one step is what the networks see as one batch."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from relaytrack.pipeline.config.urls import redact_url
from relaytrack.pipeline.errors import RelayTrackError, SourceError
from relaytrack.pipeline.records import Frame
from relaytrack.pipeline.sources.base import Source

LOG = logging.getLogger("relaytrack.batcher")
_DEFAULT_FPS = 25.0
_POLL = 0.1  # seconds; how soon a stop event is seen
_ACTIVE = 1.0  # seconds; a live camera silent for longer is not waited for
_JOIN = 1.0  # seconds that close() gives the readers before it leaves them behind


@dataclass(slots=True)
class _Lane:
    """One camera's way into the batches; guarded by the batcher's condition."""

    source: Source
    capacity: int
    waiting: deque[Frame] = field(default_factory=deque)
    done: bool = False
    last: float = 0.0  # time.monotonic() of the newest frame

    @property
    def head(self) -> Frame:
        return self.waiting[0]


class Batcher:
    """Reads all cameras side by side and groups their frames by time.

    Each camera has a thread and a bounded queue. A recording's reader waits while its queue is full; a live
    camera's queue holds its newest frame only, and the frames it replaces are counted as dropped.

    Recordings are merged by their times alone: a step waits until every unfinished recording has a frame,
    starts with the earliest one and takes in the first frame of every other recording that lies less than
    `window` seconds after it. The steps are therefore the same whatever the threads do, and a camera's frames
    are the same whoever runs along. Live cameras join with the newest frame they have; a step waits for a late
    one at most `max_wait` (and no longer than `window`), and for one that has been silent for a second not at
    all. Where both kinds run together, recordings go by the run's clock, and still lose no frame.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        window: float | None,
        max_wait: float,
        queue: int,
        stop: threading.Event,
        open_timeout: float | None = None,
    ) -> None:
        """Prepare to read `sources`, in the order of the configuration.

        Args:
            sources: the cameras, not yet opened.
            window: seconds that the frames of a step may lie apart; None: half the shortest frame interval.
            max_wait: seconds that a step with live cameras waits for a late one.
            queue: frames that wait per recording at the most.
            stop: set when the run is to end.
            open_timeout: seconds after which `start` gives up on a source that ignores its own limit.
        """
        self._lanes = [_Lane(source, 1 if source.live else queue) for source in sources]
        self._window, self._max_wait = window, max_wait
        self._stop, self._open_timeout = stop, open_timeout
        self._closed = False
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._origin = 0.0  # time.monotonic() at which recordings of a mixed run begin
        self._live_since: float | None = None  # when the first frame of the coming live group was there

    def start(self) -> None:
        """Open all cameras side by side and begin to read; returns early when `stop` is set.

        Raises:
            SourceError: a camera cannot be opened (of those that failed by then, the first in order).
        """
        failures: dict[int, BaseException] = {}
        opened: set[int] = set()

        def open_one(number: int, source: Source) -> None:
            try:
                source.open()
            except BaseException as error:
                failures[number] = error
            with self._changed:
                opened.add(number)
                self._changed.notify_all()

        for number, lane in enumerate(self._lanes):
            self._spawn(f"open-{lane.source.name}", open_one, number, lane.source)
        limit = None if self._open_timeout is None else time.monotonic() + self._open_timeout
        with self._changed:
            while len(opened) < len(self._lanes) and not failures and not self._stop.is_set():
                if limit is not None and time.monotonic() > limit:
                    late = next(lane for n, lane in enumerate(self._lanes) if n not in opened)
                    failures[len(self._lanes)] = SourceError(
                        f"camera {late.source.name!r}: did not open within {self._open_timeout:g} s"
                    )
                    break
                self._changed.wait(_POLL)
        if failures:
            self.close()
            raise failures[min(failures)]
        self._threads.clear()
        if self._stop.is_set():
            return
        if self._window is None:
            rates = [lane.source.fps or _DEFAULT_FPS for lane in self._lanes]
            self._window = 0.5 / max(rates, default=_DEFAULT_FPS)
        for lane in self._lanes:
            self._spawn(f"read-{lane.source.name}", self._read, lane)

    def __iter__(self) -> Iterator[tuple[Frame, ...]]:
        """The steps: at most one frame per camera, in the order of the cameras. Ends with the last source."""
        self._origin = time.monotonic()
        while (step := self._next()) is not None:
            yield step

    def depth(self) -> dict[str, int]:
        """Number of waiting frames by camera name."""
        with self._changed:
            return {lane.source.name: len(lane.waiting) for lane in self._lanes}

    def close(self) -> None:
        """End all readers; one that hangs in a system call is left behind after a second."""
        with self._changed:
            self._closed = True
            for lane in self._lanes:
                lane.waiting.clear()
            self._changed.notify_all()
        for lane in self._lanes:
            lane.source.close()
        limit = time.monotonic() + _JOIN
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, limit - time.monotonic()))
        self._threads.clear()

    # the readers' side

    def _spawn(self, name: str, work: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=work, args=args, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _read(self, lane: _Lane) -> None:
        source = lane.source
        try:
            with closing(source.frames()) as frames:
                for frame in frames:
                    if not self._put(lane, frame):
                        break
        except RelayTrackError as error:
            LOG.error("%s", error)
        except Exception as error:
            text = redact_url(f"camera {source.name!r}: {type(error).__name__}: {error}")
            source.stats.error = text
            LOG.error("%s", text)
        finally:
            with self._changed:
                lane.done = True
                self._changed.notify_all()

    def _put(self, lane: _Lane, frame: Frame) -> bool:
        """Queue a frame; False when the run is over."""
        with self._changed:
            while not lane.source.live and len(lane.waiting) >= lane.capacity and not self._over:
                self._changed.wait(_POLL)
            if self._over:
                return False
            if len(lane.waiting) >= lane.capacity:
                lane.waiting.popleft()
                lane.source.stats.dropped += 1
            lane.waiting.append(frame)
            lane.last = time.monotonic()
            self._changed.notify_all()
            return True

    # the networks' side

    @property
    def _over(self) -> bool:
        return self._closed or self._stop.is_set()

    def _next(self) -> tuple[Frame, ...] | None:
        with self._changed:
            while not self._over:
                now = time.monotonic()
                chosen, pause = self._choose(now)
                if chosen:
                    step = tuple(lane.waiting.popleft() for lane in chosen)
                    self._changed.notify_all()
                    return step
                if all(lane.done and not lane.waiting for lane in self._lanes):
                    return None
                self._changed.wait(min(_POLL, pause))
        return None

    def _choose(self, now: float) -> tuple[list[_Lane], float]:
        """The lanes whose first frames make the next step, or none and the seconds until it may be ready."""
        live, pause = self._choose_live(now)
        if live is None:
            return [], pause
        recorded, due = self._choose_recorded(now, mixed=any(lane.source.live for lane in self._lanes))
        chosen = live + recorded
        if live:
            self._live_since = None
        return [lane for lane in self._lanes if lane in chosen], due

    def _choose_recorded(self, now: float, *, mixed: bool) -> tuple[list[_Lane], float]:
        assert self._window is not None, "start() comes first"
        lanes = [lane for lane in self._lanes if not lane.source.live]
        ready = [lane for lane in lanes if lane.waiting]
        if not ready or any(not lane.waiting and not lane.done for lane in lanes):
            return [], _POLL
        first = min(lane.head.time for lane in ready)
        if mixed and first > now - self._origin:
            return [], first - (now - self._origin)
        return [lane for lane in ready if lane.head.time == first or lane.head.time < first + self._window], _POLL

    def _choose_live(self, now: float) -> tuple[list[_Lane] | None, float]:
        """All live lanes with a frame; None while a late one is worth waiting for."""
        assert self._window is not None, "start() comes first"
        lanes = [lane for lane in self._lanes if lane.source.live]
        ready = [lane for lane in lanes if lane.waiting]
        if not ready:
            self._live_since = None
            return [], _POLL
        if self._live_since is None:
            self._live_since = min(lane.last for lane in ready)
        until = self._live_since + min(self._max_wait, self._window)
        late = any(not lane.waiting and not lane.done and now - lane.last < _ACTIVE for lane in lanes)
        if late and now < until:
            return None, until - now
        return ready, _POLL
