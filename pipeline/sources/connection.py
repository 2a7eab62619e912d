"""One connection to a live camera: a thread that decodes what comes and keeps the newest picture."""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from av.video.frame import VideoFrame

from relaytrack.pipeline.sources.base import LoginRefusedError, ReadError
from relaytrack.pipeline.sources.latest_value import LatestValue
from relaytrack.pipeline.sources.limits import RateLimit
from relaytrack.pipeline.sources.pace import Pace
from relaytrack.pipeline.sources.video import VideoReader

_POLL = 0.1  # seconds; how soon a thread that waits sees that nobody reads any more
_SNAPSHOTS = 2.0  # per second, of a camera that gives one picture for each request, unless `max_fps` says otherwise
_EXIT = 0.7  # seconds that the end of the process waits for connections to close
_RUNNING: set[Connection] = set()


@dataclass(frozen=True, slots=True)
class Arrival:
    """A decoded picture: its number, `time.monotonic()` of its arrival, the packets broken so far, and the stream.

    `note` is what a user should know of the stream, None for nothing.
    """

    index: int
    arrived: float
    raw: VideoFrame
    broken: int
    fps: float | None
    aspect: float = 1.0
    note: str | None = None


@dataclass(slots=True)
class Line:
    """What one camera's connections have in common: the numbers go on from one to the next.

    Attributes:
        name: the camera's name.
        make_reader: connects; it may raise ReadError itself.
        max_fps: upper rate of the pictures, None for all.
        index: number of the last picture.
        broken: packets that could not be decoded so far.
    """

    name: str
    make_reader: Callable[[], VideoReader]
    max_fps: float | None
    index: int = 0
    broken: int = 0
    limit: RateLimit = field(init=False)
    pace: Pace = field(default_factory=Pace)

    def __post_init__(self) -> None:
        """Prepare the limit."""
        self.limit = RateLimit(self.max_fps)


class Connection:
    """One connection. At most one of a camera is not abandoned at a time.

    Attributes:
        box: where the newest picture lies, and why the connection ended.
        login_refused: whether it ended because the user name or the password was refused.
    """

    def __init__(self, line: Line) -> None:
        """Connect in a thread of its own."""
        self.box: LatestValue[Arrival] = LatestValue()
        self.login_refused = False
        self._line = line
        self._reader: VideoReader | None = None
        self._thread = threading.Thread(target=self._work, name=f"camera-{line.name}", daemon=True)
        _RUNNING.add(self)
        self._thread.start()

    @property
    def waits_for_picture(self) -> bool:
        """Whether video comes, of which no picture could be decoded yet: it begins with a keyframe."""
        reader = self._reader
        return reader is not None and reader.packets_before_picture > 0

    def abandon(self) -> None:
        """Read no more, whatever the thread hangs in (FFmpeg's time limits end it later)."""
        self.box.abandon()

    def join(self, timeout: float) -> None:
        """Wait until the thread has ended, `timeout` seconds at the most."""
        self._thread.join(timeout)

    def _work(self) -> None:
        box = self.box
        try:
            self._line.pace.begin()
            while (begun := time.monotonic()) and self._read_once():
                if not self._wait(begun + 1.0 / (self._line.max_fps or _SNAPSHOTS)):
                    break
            box.fail("the stream ended")
        except ReadError as error:
            self.login_refused = isinstance(error, LoginRefusedError)
            box.fail(str(error))
        except Exception as error:  # whatever it is, the camera must be sought again
            box.fail(f"unexpected {type(error).__name__}")
        finally:
            if self._reader is not None:
                self._reader.close()
            _RUNNING.discard(self)

    def _read_once(self) -> bool:
        """Read to the end; whether it was a single picture, of which there is another one for the next request."""
        line, box = self._line, self.box
        self._reader = reader = line.make_reader()
        reader.open()
        first, broken = line.index, line.broken
        rate = (line.max_fps or _SNAPSHOTS) if reader.is_single else reader.fps
        for picture in reader.pictures():
            if box.abandoned:
                break
            line.index, line.broken = first + picture.index, broken + reader.broken
            if reader.is_in_pieces and line.pace.is_seen(picture.time):
                continue
            if reader.is_paced and not self._wait(line.pace.due(picture.time, time.monotonic())):
                break
            arrived = time.monotonic()
            if line.limit.keep(arrived):
                box.put(Arrival(line.index, arrived, picture.raw, line.broken, rate, reader.aspect, reader.note))
        reader.close()
        return reader.is_single

    def _wait(self, due: float) -> bool:
        """Wait until `time.monotonic()` is `due`; False when nobody reads any more."""
        while (left := due - time.monotonic()) > 0 and not self.box.abandoned:
            time.sleep(min(left, _POLL))
        return not self.box.abandoned


def _leave_connections() -> None:
    """At the end of the process, let the threads close what they have before the interpreter goes away."""
    connections = list(_RUNNING)
    for connection in connections:
        connection.abandon()
    until = time.monotonic() + _EXIT
    for connection in connections:
        connection.join(max(0.0, until - time.monotonic()))


atexit.register(_leave_connections)
