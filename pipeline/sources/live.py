"""Live cameras (RTSP, webcams): the newest frame, time limits that hold, and a new try after every loss."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator

from relaytrack.pipeline.backoff import Backoff
from relaytrack.pipeline.config.schema import InputConfig
from relaytrack.pipeline.errors import SourceError
from relaytrack.pipeline.records import Frame
from relaytrack.pipeline.sources.base import LOG, SourceStats
from relaytrack.pipeline.sources.camera import Camera
from relaytrack.pipeline.sources.connection import Arrival, Connection, Line
from relaytrack.pipeline.sources.image_converter import ImageConverter, is_alike, true_size
from relaytrack.pipeline.sources.video import KEYFRAME, VideoReader

_OTHER_SHAPE = "with black edges; zones, lines and calibration are those of the first picture"
_POLL = 0.1  # seconds; how soon a stop event is seen
_REFUSED_PAUSE = (10.0, 300.0)  # seconds between tries, first and longest, of a login that was refused
_NO_KEYFRAME = (
    "video comes, but no picture of it can be decoded within {:g} s: pictures begin with a keyframe; "
    "shorten the camera's interval of keyframes (I-frames), or raise input.open_timeout"
)


class LiveSource:
    """A live camera.

    Each `Connection` has a thread of its own that decodes; conversion happens only for frames that are taken out. A
    connection that fails, ends or falls silent is left behind, and a new one is made after a pause. Time is that of
    arrival.
    """

    ends_by_itself = True  # at `run.max_seconds`

    def __init__(self, camera: Camera, make_reader: Callable[[], VideoReader], options: InputConfig) -> None:
        """Read as `camera` what `make_reader` connects to (it may raise ReadError itself)."""
        self.name = camera.name
        self.live = True
        self.stats: SourceStats = camera.stats
        self.fps: float | None = None
        self.size: tuple[int, int] | None = None
        self._camera, self._options = camera, options
        self._line = Line(camera.name, make_reader, camera.max_fps)
        self._backoff = Backoff(options.reconnect_initial, options.reconnect_max)
        self._refused = Backoff(*_REFUSED_PAUSE)
        self._login_refused = False  # by the last connection
        self._told: set[str] = set()  # failures since the last picture that were logged
        self._converter: ImageConverter | None = None
        self._connection: Connection | None = None
        self._pending: Arrival | None = None
        self._connected_before = False
        self._full = self._shown = (0, 0)  # size of the first pictures, and of the last ones

    def open(self) -> None:
        """See `Source.open`; with `on_start_failure: retry` a camera that does not answer is no error."""
        try:
            failure = self._connect()
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
                if self._pending is None and self._connection is None:
                    self._rest()
                    failure = None if self._ended else self._connect(KEYFRAME)
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

    def _connect(self, patience: float = 0.0) -> str | None:
        """Make a connection and wait for its first picture; returns why there is none.

        `patience`: seconds that it is waited for at the least where video comes already.
        """
        self._connection = connection = Connection(self._line)
        timeout = self._options.open_timeout
        begun = time.monotonic()
        until = begun + timeout
        while not self._ended:
            left = until - time.monotonic()
            arrival, dropped = connection.box.take(max(0.0, min(left, _POLL)))
            if arrival is not None:
                self._begin(arrival, dropped)
                return None
            failure = connection.box.failure
            if failure is None and left <= 0 and connection.waits_for_picture:
                failure = _NO_KEYFRAME.format(max(timeout, until - begun))
                if until < begun + patience:
                    LOG.warning("camera %r: video comes, its next keyframe is waited for", self.name)
                    until, failure = begun + patience, None
                    continue
            if failure is not None or left <= 0:
                self._login_refused = connection.login_refused
                self._disconnect()
                return failure or f"no picture within {timeout:g} s"
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
            self._full = self._shown = full
        if arrival.note:
            self._camera.warn(arrival.note)
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
        connection, until = self._connection, time.monotonic() + self._options.read_timeout
        while connection is not None and not self._ended:
            box = connection.box
            left = until - time.monotonic()
            arrival, dropped = box.take(max(0.0, min(left, _POLL)))
            if arrival is not None:
                self._count(arrival, dropped)
                return arrival
            if box.failure is not None or left <= 0:
                reason = box.failure or f"no picture for {self._options.read_timeout:g} s"
                self._login_refused = connection.login_refused
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
        self._note_size(true_size(arrival.raw, arrival.aspect))
        image = self._converter.convert(arrival.raw, arrival.aspect)
        return self._camera.frame(arrival.index, arrival.arrived - self._camera.started, image, arrived=arrival.arrived)

    def _note_size(self, full: tuple[int, int]) -> None:
        """Tell where the pictures have another size now."""
        if full != self._shown and full != self._full:
            (width, height), (first, second) = full, self._full
            self._camera.warn(
                f"its pictures have {width} x {height} pixels now, {first} x {second} at the start of the run: they are"
                + (" scaled to that" if is_alike(full, self._full) else f" scaled into that, {_OTHER_SHAPE}")
            )
        self._shown = full

    def _disconnect(self) -> None:
        connection, self._connection, self._pending = self._connection, None, None
        if connection is not None:
            connection.abandon()
