"""Live cameras (RTSP, webcams): the newest frame, time limits that hold, and a new try after every loss."""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from av.video.frame import VideoFrame

from relaytrack.pipeline.backoff import Backoff
from relaytrack.pipeline.config.schema import InputConfig
from relaytrack.pipeline.errors import SourceError
from relaytrack.pipeline.records import Frame
from relaytrack.pipeline.sources.base import LOG, LoginRefusedError, ReadError, SourceStats
from relaytrack.pipeline.sources.camera import Camera
from relaytrack.pipeline.sources.image_converter import ImageConverter, is_alike, true_size
from relaytrack.pipeline.sources.latest_value import LatestValue
from relaytrack.pipeline.sources.limits import RateLimit
from relaytrack.pipeline.sources.video import VideoReader

_OTHER_SHAPE = "with black edges; zones, lines and calibration are those of the first picture"
_POLL = 0.1  # seconds; how soon a stop event is seen
_REFUSED_PAUSE = (10.0, 300.0)  # seconds between tries, first and longest, of a login that was refused
_EXIT = 0.7  # seconds that the end of the process waits for connections to close
_CONNECTIONS: dict[threading.Thread, LatestValue[Any]] = {}  # those whose threads run


@dataclass(frozen=True, slots=True)
class Arrival:
    """A decoded picture: its number, `time.monotonic()` of its arrival, the packets broken so far, and the stream."""

    index: int
    arrived: float
    raw: VideoFrame
    broken: int
    fps: float | None
    aspect: float = 1.0


class LiveSource:
    """A live camera.

    Each connection has a thread of its own that decodes into a `LatestValue`; conversion happens only for frames
    that are taken out. A connection that fails, ends or falls silent is left behind, whatever its thread hangs
    in (FFmpeg's time limits end it later), and a new one is made after a pause. Time is that of arrival.
    """

    def __init__(self, camera: Camera, make_reader: Callable[[], VideoReader], options: InputConfig) -> None:
        """Read as `camera` what `make_reader` connects to (it may raise ReadError itself)."""
        self.name = camera.name
        self.live = True
        self.stats: SourceStats = camera.stats
        self.fps: float | None = None
        self.size: tuple[int, int] | None = None
        self._camera, self._make_reader, self._options = camera, make_reader, options
        self._limit = RateLimit(camera.max_fps)
        self._backoff = Backoff(options.reconnect_initial, options.reconnect_max)
        self._refused = Backoff(*_REFUSED_PAUSE)
        self._login_refused = False
        self._told: set[str] = set()  # failures since the last picture that were logged
        self._converter: ImageConverter | None = None
        self._box: LatestValue[Arrival] | None = None
        self._pending: Arrival | None = None
        self._seen = self._index = self._broken = 0
        self._connected_before = False
        self._full = (0, 0)

    def open(self) -> None:
        """See `Source.open`; with `on_start_failure: retry` a camera that does not answer is no error."""
        try:
            failure = self._connect(self._options.open_timeout)
        except SourceError:
            self._disconnect()
            raise
        if failure is None or self._camera.ended:
            if not self._connected_before and not self._camera.ended:
                LOG.error("%s", self._camera.open_error("no picture before the run ended"))
            return
        error = self._camera.open_error(failure)
        if self._options.on_start_failure == "fail":
            raise error
        self._tell(failure, str(error))

    def frames(self) -> Generator[Frame, None, None]:
        """See `Source.frames`."""
        try:
            while not self._ended:
                if self._pending is None and self._box is None:
                    self._rest()
                    failure = None if self._ended else self._connect(self._options.open_timeout)
                    if failure is not None:
                        self._tell(failure, str(self._camera.open_error(failure)))
                    continue
                arrival, self._pending = self._pending or self._take(), None
                if arrival is not None:
                    self.stats.frames += 1
                    yield self._frame(arrival)
        finally:
            self._disconnect()

    def close(self) -> None:
        """See `Source.close`."""
        self._camera.closed.set()
        self._disconnect()

    @property
    def _ended(self) -> bool:
        limit = self._camera.max_seconds
        over = limit is not None and self._now() >= limit
        return over or self._camera.ended

    def _now(self) -> float:
        return time.monotonic() - self._camera.started

    def _connect(self, timeout: float) -> str | None:
        """Make a connection and wait for its first picture; returns why there is none."""
        box: LatestValue[Arrival] = LatestValue()
        self._box, self._login_refused = box, False
        thread = threading.Thread(target=self._work, args=(box,), name=f"camera-{self.name}", daemon=True)
        _CONNECTIONS[thread] = box
        thread.start()
        until = time.monotonic() + timeout
        while not self._ended:
            left = until - time.monotonic()
            arrival, dropped = box.take(max(0.0, min(left, _POLL)))
            if arrival is not None:
                self._begin(arrival, dropped)
                return None
            if box.failure is not None or left <= 0:
                self._disconnect()
                return box.failure or f"no picture within {timeout:g} s"
        self._disconnect()
        return None

    def _tell(self, failure: str, error: str) -> None:
        """Log why there is no connection, once until there is one again."""
        if failure not in self._told and not self._ended:
            self._told.add(failure)
            rarely = ", but rarely: many cameras lock an account after a few wrong tries" if self._login_refused else ""
            LOG.warning("%s; trying again%s", error, rarely)

    def _begin(self, arrival: Arrival, dropped: int) -> None:
        full = true_size(arrival.raw, arrival.aspect)
        if self._converter is None:
            self.size = self._camera.view_size(full)
            self._camera.check_places(full)
            self._converter = ImageConverter(full)
            self.fps = self._camera.rate(arrival.fps)
            self._full = full
        elif full != self._full:
            (width, height), (first, second) = full, self._full
            self._camera.warn(
                f"its pictures have {width} x {height} pixels now, {first} x {second} at the start of the run: they are"
                + (" scaled to that" if is_alike(full, self._full) else f" scaled into that, {_OTHER_SHAPE}")
            )
        self._count(arrival, dropped)
        self._pending = arrival
        self._backoff.reset()
        self._refused.reset()
        self._told.clear()
        self.stats.error = None
        if self._connected_before:
            self.stats.reconnects += 1
            LOG.warning("camera %r: connected again", self.name)
        self._connected_before = True

    def _take(self) -> Arrival | None:
        """The next picture; None, with the connection given up, where none comes within `read_timeout`."""
        box, until = self._box, time.monotonic() + self._options.read_timeout
        while box is not None and not self._ended:
            left = until - time.monotonic()
            arrival, dropped = box.take(max(0.0, min(left, _POLL)))
            if arrival is not None:
                self._count(arrival, dropped)
                return arrival
            if box.failure is not None or left <= 0:
                reason = box.failure or f"no picture for {self._options.read_timeout:g} s"
                self._disconnect()
                LOG.warning("%s; connecting again", self._camera.error(f"lost: {reason}"))
                return None
        return None

    def _rest(self) -> None:
        until = time.monotonic() + (self._refused if self._login_refused else self._backoff).pause()
        while (left := until - time.monotonic()) > 0 and not self._ended:
            self._camera.closed.wait(min(left, _POLL))

    def _count(self, arrival: Arrival, dropped: int) -> None:
        self.stats.frames += dropped
        self.stats.dropped += dropped
        self.stats.broken = arrival.broken

    def _frame(self, arrival: Arrival) -> Frame:
        assert self._converter is not None, "a picture came before the first one"
        image = self._converter.convert(arrival.raw, arrival.aspect)
        return self._camera.frame(arrival.index, arrival.arrived - self._camera.started, image, arrived=arrival.arrived)

    def _disconnect(self) -> None:
        box, self._box, self._pending = self._box, None, None
        if box is not None:
            box.abandon()

    def _work(self, box: LatestValue[Arrival]) -> None:
        """One connection, in its own thread; at most one box that is not abandoned exists at a time."""
        reader: VideoReader | None = None
        try:
            reader = self._make_reader()
            reader.open()
            first, broken = self._index, self._broken
            for picture in reader.pictures():
                if box.abandoned:
                    break
                self._index = first + picture.index
                self._broken = broken + reader.broken
                arrived = time.monotonic()
                if self._limit.keep(arrived):
                    box.put(Arrival(self._index, arrived, picture.raw, self._broken, reader.fps, reader.aspect))
            box.fail("the stream ended")
        except ReadError as error:
            if isinstance(error, LoginRefusedError) and not box.abandoned:
                self._login_refused = True
            box.fail(str(error))
        except Exception as error:  # whatever it is, the camera must be sought again
            box.fail(f"unexpected {type(error).__name__}")
        finally:
            if reader is not None:
                reader.close()
            _CONNECTIONS.pop(threading.current_thread(), None)


def _leave_connections() -> None:
    """At the end of the process, let the threads close what they have before the interpreter goes away."""
    connections = list(_CONNECTIONS.items())
    for _, box in connections:
        box.abandon()
    until = time.monotonic() + _EXIT
    for thread, _ in connections:
        thread.join(max(0.0, until - time.monotonic()))


atexit.register(_leave_connections)
