"""Puts the frames of all cameras together by time: a `FrameSet` is one moment of all cameras."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence

from relaytrack.pipeline.errors import SourceError
from relaytrack.pipeline.records import FrameSet
from relaytrack.pipeline.sources.base import Source
from relaytrack.pipeline.sources.camera_queue import CameraQueue, CameraState
from relaytrack.pipeline.sources.frame_grouping import POLL, FrameGrouping
from relaytrack.pipeline.sources.opening import open_all
from relaytrack.pipeline.sources.reader import CameraReader, close_source

_JOIN = 1.0  # seconds that close() gives the readers before it leaves them behind

__all__ = ["CameraState", "FrameSynchronizer"]


class FrameSynchronizer:
    """Reads all cameras side by side and groups their frames by time.

    Each camera has a thread and a bounded queue. A recording's reader waits while its queue is full; a live
    camera's queue holds its newest frame only, and the frames it replaces are counted as dropped.

    Recordings are merged by their times alone: a set waits until every unfinished recording has a frame,
    starts with the earliest one and takes in the first frame of every other recording that lies less than
    `window` seconds after it. The sets are therefore the same whatever the threads do, and a camera's frames
    do not depend on which other cameras run. Live cameras join with the newest frame they have; a set waits for a late
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
        max_seconds: float | None = None,
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
            max_seconds: time on the run's clock at which cameras end whose sources do not see to that themselves.
        """
        self._capacity = queue
        self._cameras = [self._queue_of(source) for source in sources]
        self._grouping = FrameGrouping(window, max_wait)
        self._stop, self._open_timeout = stop, open_timeout
        self._until_stopped = until_stopped
        self._closed = False
        self._changed = threading.Condition()
        self._reader = CameraReader(
            self._changed,
            over=lambda: self._over,
            on_open=lambda: self._grouping.adapt(self._cameras),
            max_seconds=max_seconds,
        )
        self._threads: list[threading.Thread] = []
        self.newest: float | None = None
        """Time of the newest frame handed out, seconds on the run's clock."""

    def start(self) -> None:
        """Open all cameras side by side and begin to read; returns early when `stop` is set.

        Raises:
            SourceError: a camera cannot be opened (of those that failed by then, the first in order).
        """
        if self._until_stopped:
            for camera in self._cameras:
                if not camera.paused:
                    self._spawn(f"read-{camera.source.name}", self._reader.open_and_read, camera)
            return
        try:
            opened = open_all(
                [camera.source for camera in self._cameras], self._spawn, stop=self._stop, timeout=self._open_timeout
            )
        except BaseException:
            self.close()
            raise
        self._threads.clear()
        if not opened:
            return
        with self._changed:
            for camera in self._cameras:
                camera.opened = True
            self._grouping.adapt(self._cameras)
        for camera in self._cameras:
            self._spawn(f"read-{camera.source.name}", self._reader.read, camera)

    def add(self, source: Source) -> None:
        """Take up a camera while the others go on; it is opened and read on a thread of its own.

        Raises:
            SourceError: there is a camera of that name.
        """
        camera = self._queue_of(source)
        with self._changed:
            if any(other.source.name == source.name for other in self._cameras):
                raise SourceError(f"camera {source.name!r}: there is one of that name already")
            self._cameras = [*self._cameras, camera]
        self._spawn(f"read-{source.name}", self._reader.open_and_read, camera)

    def remove(self, name: str) -> None:
        """Let a camera go; what of it waits is thrown away. An unknown name does nothing."""
        with self._changed:
            gone = [camera for camera in self._cameras if camera.source.name == name]
            self._cameras = [camera for camera in self._cameras if camera.source.name != name]
            for camera in gone:
                camera.gone = True
                camera.waiting.clear()
            self._grouping.adapt(self._cameras)
            self._changed.notify_all()
        for camera in gone:
            close_source(camera.source)

    def pause(self, name: str, *, keep_open: bool = False) -> None:
        """Take no frames of a camera until `resume`; nobody waits for it.

        Args:
            name: the camera.
            keep_open: a live camera's frames are thrown away meanwhile; else its connection is closed.
        """
        with self._changed:
            camera = self._find(name)
            camera.paused = True
            if camera.source.live:
                camera.waiting.clear()
            self._changed.notify_all()
        if camera.source.live and not keep_open:
            close_source(camera.source)

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
        camera = self._queue_of(source)
        with self._changed:
            old = self._find(name)
            old.gone = True
            camera.newest = old.newest
            old.waiting.clear()
            self._cameras = [camera if other is old else other for other in self._cameras]
            self._changed.notify_all()
        close_source(old.source)
        self._spawn(f"read-{name}", self._reader.open_and_read, camera)

    def __iter__(self) -> Iterator[FrameSet]:
        """The sets of frames: at most one per camera, in the order of the cameras. Ends with the last source."""
        self._grouping.origin = time.monotonic()
        while (frames := self._next()) is not None:
            yield frames

    def depth(self) -> dict[str, int]:
        """Number of waiting frames by camera name."""
        with self._changed:
            return {camera.source.name: len(camera.waiting) for camera in self._cameras}

    def states(self) -> dict[str, CameraState]:
        """What every camera is doing, by name."""
        now = time.monotonic()
        with self._changed:
            return {camera.source.name: camera.state(now) for camera in self._cameras}

    def close(self) -> None:
        """End all readers; one that hangs in a system call is left behind after a second."""
        with self._changed:
            self._closed = True
            for camera in self._cameras:
                camera.waiting.clear()
            self._changed.notify_all()
        for camera in self._cameras:
            close_source(camera.source)
        limit = time.monotonic() + _JOIN
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, limit - time.monotonic()))
        self._threads.clear()

    # the inside

    def _queue_of(self, source: Source) -> CameraQueue:
        return CameraQueue(source, 1 if source.live else self._capacity)

    def _find(self, name: str) -> CameraQueue:
        for camera in self._cameras:
            if camera.source.name == name:
                return camera
        raise SourceError(f"there is no camera {name!r}")

    def _spawn(self, name: str, work: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=work, args=args, name=name, daemon=True)
        thread.start()  # noted after its start: a thread that has not begun cannot be waited for
        self._threads = [*(other for other in self._threads if other.is_alive()), thread]

    @property
    def _over(self) -> bool:
        return self._closed or self._stop.is_set()

    def _next(self) -> FrameSet | None:
        with self._changed:
            while not self._over:
                now = time.monotonic()
                chosen, pause = self._grouping.choose(self._cameras, now)
                if chosen:
                    frames = tuple(camera.waiting.popleft() for camera in chosen)
                    newest = max(frame.time for frame in frames)
                    self.newest = newest if self.newest is None else max(self.newest, newest)
                    self._changed.notify_all()
                    return frames
                if not self._until_stopped and all(camera.finished for camera in self._cameras):
                    return None
                self._changed.wait(min(POLL, pause))
        return None
