"""Puts the frames of all cameras together by time: one set of frames is what the networks see as one batch."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Literal

from relaytrack.pipeline.config.urls import redact_url
from relaytrack.pipeline.errors import RelayTrackError, SourceError
from relaytrack.pipeline.records import Frame
from relaytrack.pipeline.sources.base import Source

LOG = logging.getLogger("relaytrack.synchroniser")
_DEFAULT_FPS = 25.0
_POLL = 0.1  # seconds; how soon a stop event is seen
_ACTIVE = 1.0  # seconds; a live camera silent for longer is not waited for
_JOIN = 1.0  # seconds that close() gives the readers before it leaves them behind

CameraState = Literal["opening", "running", "waiting", "paused", "ended", "failed"]
"""`waiting`: a live camera without a picture at present, which is sought again."""


@dataclass(slots=True)
class _Lane:
    """One camera's way into the sets of frames; guarded by the synchroniser's condition."""

    source: Source
    capacity: int
    waiting: deque[Frame] = field(default_factory=deque)
    opened: bool = False
    done: bool = False
    failed: bool = False
    paused: bool = False
    gone: bool = False
    last: float = 0.0  # time.monotonic() of the newest frame

    @property
    def head(self) -> Frame:
        return self.waiting[0]


class FrameSynchronizer:
    """Reads all cameras side by side and groups their frames by time.

    Each camera has a thread and a bounded queue. A recording's reader waits while its queue is full; a live
    camera's queue holds its newest frame only, and the frames it replaces are counted as dropped.

    Recordings are merged by their times alone: a set waits until every unfinished recording has a frame,
    starts with the earliest one and takes in the first frame of every other recording that lies less than
    `window` seconds after it. The sets are therefore the same whatever the threads do, and a camera's frames
    are the same whoever runs along. Live cameras join with the newest frame they have; a set waits for a late
    one at most `max_wait` (and no longer than `window`), and for one that has been silent for a second not at
    all. Where both kinds run together, recordings go by the run's clock, and still lose no frame.

    Cameras can be added, removed and paused while it runs, from any thread.
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
        until_stopped: bool = False,
    ) -> None:
        """Prepare to read `sources`, in the order of the configuration.

        Args:
            sources: the cameras, not yet opened.
            window: seconds that the frames of a set may lie apart; None: half the shortest frame interval.
            max_wait: seconds that a set with live cameras waits for a late one.
            queue: frames that wait per recording at the most.
            stop: set when the run is to end.
            open_timeout: seconds after which `start` gives up on a source that ignores its own limit.
            until_stopped: go on without any camera until `stop` is set; a camera that cannot be opened is no
                failure then.
        """
        self._queue = queue
        self._lanes = [self._lane(source) for source in sources]
        self._window, self._max_wait = window, max_wait
        self._fixed_window = window
        self._stop, self._open_timeout = stop, open_timeout
        self._until_stopped = until_stopped
        self._closed = False
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._origin = 0.0  # time.monotonic() at which recordings of a mixed run begin
        self._live_since: float | None = None  # when the first frame of the coming live group was there
        self.newest: float | None = None
        """Time of the newest frame handed out, seconds on the run's clock."""

    def start(self) -> None:
        """Open all cameras side by side and begin to read; returns early when `stop` is set.

        Raises:
            SourceError: a camera cannot be opened (of those that failed by then, the first in order).
        """
        if self._until_stopped:
            for lane in self._lanes:
                self._spawn(f"read-{lane.source.name}", self._open_and_read, lane)
            return
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
        with self._changed:
            for lane in self._lanes:
                lane.opened = True
            self._adapt_window()
        for lane in self._lanes:
            self._spawn(f"read-{lane.source.name}", self._read, lane)

    def add(self, source: Source) -> None:
        """Take up a camera while the others go on; it is opened and read on a thread of its own.

        Raises:
            SourceError: there is a camera of that name.
        """
        lane = self._lane(source)
        with self._changed:
            if any(other.source.name == source.name for other in self._lanes):
                raise SourceError(f"camera {source.name!r}: there is one of that name already")
            self._lanes = [*self._lanes, lane]
        self._spawn(f"read-{source.name}", self._open_and_read, lane)

    def remove(self, name: str) -> None:
        """Let a camera go; what of it waits is thrown away. An unknown name does nothing."""
        with self._changed:
            gone = [lane for lane in self._lanes if lane.source.name == name]
            self._lanes = [lane for lane in self._lanes if lane.source.name != name]
            for lane in gone:
                lane.gone = True
                lane.waiting.clear()
            self._adapt_window()
            self._changed.notify_all()
        for lane in gone:
            lane.source.close()

    def pause(self, name: str) -> None:
        """Take no frames of a camera until `resume`; nobody waits for it. A live camera's connection is closed."""
        with self._changed:
            lane = self._find(name)
            lane.paused = True
            if lane.source.live:
                lane.waiting.clear()
            self._changed.notify_all()
        if lane.source.live:
            lane.source.close()

    def resume(self, name: str, source: Source | None = None) -> None:
        """Take a camera's frames again; `source` is what a live camera is read from now."""
        with self._changed:
            old = self._find(name)
            if source is None:
                old.paused = False
                self._changed.notify_all()
                return
        self.replace(name, source)

    def replace(self, name: str, source: Source) -> None:
        """Read a camera from another source from now on, in the same place among the cameras."""
        lane = self._lane(source)
        with self._changed:
            old = self._find(name)
            old.gone = True
            old.waiting.clear()
            self._lanes = [lane if other is old else other for other in self._lanes]
            self._changed.notify_all()
        old.source.close()
        self._spawn(f"read-{name}", self._open_and_read, lane)

    def __iter__(self) -> Iterator[tuple[Frame, ...]]:
        """The sets of frames: at most one per camera, in the order of the cameras. Ends with the last source."""
        self._origin = time.monotonic()
        while (frames := self._next()) is not None:
            yield frames

    def depth(self) -> dict[str, int]:
        """Number of waiting frames by camera name."""
        with self._changed:
            return {lane.source.name: len(lane.waiting) for lane in self._lanes}

    def states(self) -> dict[str, CameraState]:
        """What every camera is doing, by name."""
        now = time.monotonic()
        with self._changed:
            return {lane.source.name: _state(lane, now) for lane in self._lanes}

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

    def _lane(self, source: Source) -> _Lane:
        return _Lane(source, 1 if source.live else self._queue)

    def _find(self, name: str) -> _Lane:
        for lane in self._lanes:
            if lane.source.name == name:
                return lane
        raise SourceError(f"there is no camera {name!r}")

    def _adapt_window(self) -> None:
        """The window that the present cameras ask for; called with the condition held."""
        if self._fixed_window is None:
            rates = [lane.source.fps or _DEFAULT_FPS for lane in self._lanes if lane.opened]
            self._window = 0.5 / max(rates, default=_DEFAULT_FPS)

    def _spawn(self, name: str, work: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=work, args=args, name=name, daemon=True)
        self._threads = [other for other in self._threads if other.is_alive()]
        self._threads.append(thread)
        thread.start()

    def _open_and_read(self, lane: _Lane) -> None:
        """Open one camera by itself; a failure is that camera's alone."""
        try:
            lane.source.open()
        except Exception as error:
            self._tell(lane, error)
            with self._changed:
                lane.done = lane.failed = True
                self._changed.notify_all()
            lane.source.close()
            return
        with self._changed:
            lane.opened = True
            self._adapt_window()
        self._read(lane)

    def _read(self, lane: _Lane) -> None:
        try:
            with closing(lane.source.frames()) as frames:
                for frame in frames:
                    if not self._put(lane, frame):
                        break
        except Exception as error:
            self._tell(lane, error)
            lane.failed = True
        finally:
            with self._changed:
                lane.done = True
                self._changed.notify_all()

    @staticmethod
    def _tell(lane: _Lane, error: Exception) -> None:
        """Log what ended a camera, without passwords."""
        if isinstance(error, RelayTrackError):
            text = str(error)
        else:
            text = redact_url(f"camera {lane.source.name!r}: {type(error).__name__}: {error}")
            lane.source.stats.error = text
        if not lane.gone:
            LOG.error("%s", text)

    def _put(self, lane: _Lane, frame: Frame) -> bool:
        """Queue a frame; False when the run, or the camera's part in it, is over."""
        with self._changed:
            while not lane.source.live and len(lane.waiting) >= lane.capacity and not self._over and not lane.gone:
                self._changed.wait(_POLL)
            if self._over or lane.gone:
                return False
            if lane.paused and lane.source.live:
                return True
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
                    frames = tuple(lane.waiting.popleft() for lane in chosen)
                    newest = max(frame.time for frame in frames)
                    self.newest = newest if self.newest is None else max(self.newest, newest)
                    self._changed.notify_all()
                    return frames
                if not self._until_stopped and all(self._finished(lane) for lane in self._lanes):
                    return None
                self._changed.wait(min(_POLL, pause))
        return None

    @staticmethod
    def _finished(lane: _Lane) -> bool:
        return lane.done and not lane.waiting and not lane.paused

    def _choose(self, now: float) -> tuple[list[_Lane], float]:
        """The lanes whose first frames make the next set, or none and the seconds until it may be ready."""
        live, pause = self._choose_live(now)
        if live is None:
            return [], pause
        recorded, due = self._choose_recorded(now, mixed=any(lane.source.live for lane in self._lanes))
        chosen = live + recorded
        if live:
            self._live_since = None
        return [lane for lane in self._lanes if lane in chosen], due

    def _choose_recorded(self, now: float, *, mixed: bool) -> tuple[list[_Lane], float]:
        lanes = [lane for lane in self._lanes if lane.opened and not lane.source.live and not lane.paused]
        ready = [lane for lane in lanes if lane.waiting]
        if not ready or any(not lane.waiting and not lane.done for lane in lanes):
            return [], _POLL
        assert self._window is not None, "a camera is open"
        first = min(lane.head.time for lane in ready)
        if mixed and first > now - self._origin:
            return [], first - (now - self._origin)
        return [lane for lane in ready if lane.head.time == first or lane.head.time < first + self._window], _POLL

    def _choose_live(self, now: float) -> tuple[list[_Lane] | None, float]:
        """All live lanes with a frame; None while a late one is worth waiting for."""
        lanes = [lane for lane in self._lanes if lane.source.live and not lane.paused]
        ready = [lane for lane in lanes if lane.waiting]
        if not ready:
            self._live_since = None
            return [], _POLL
        assert self._window is not None, "a camera is open"
        if self._live_since is None:
            self._live_since = min(lane.last for lane in ready)
        until = self._live_since + min(self._max_wait, self._window)
        late = any(not lane.waiting and not lane.done and now - lane.last < _ACTIVE for lane in lanes)
        if late and now < until:
            return None, until - now
        return ready, _POLL


def _state(lane: _Lane, now: float) -> CameraState:
    if lane.paused:
        return "paused"
    if lane.failed:
        return "failed"
    if lane.done and not lane.waiting:
        return "ended"
    if not lane.opened:
        return "opening"
    silent = now - lane.last > max(_ACTIVE, 3.0 / (lane.source.fps or _DEFAULT_FPS))
    if lane.source.live and silent and lane.source.stats.error is not None:
        return "waiting"
    return "running"
