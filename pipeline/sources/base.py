"""What every camera is to the rest of the pipeline: a `Source` of `Frame`s with counts of what went wrong."""

from __future__ import annotations

import logging
from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol

from relaytrack.pipeline.records import Frame

LOG = logging.getLogger("relaytrack.sources")


class ReadError(Exception):
    """A reader cannot open or go on; the text is plain words without address or camera name.

    It never leaves `relaytrack.pipeline.sources`: a source turns it into a `SourceError` that names the camera.
    """


class EarlyEndError(ReadError):
    """A web server ended the connection before FFmpeg thought that it would, while the stream was being opened."""


class RequestRefusedError(ReadError):
    """A server refuses a request for another reason than the login, such as one to play what it does not have."""


class LoginRefusedError(ReadError):
    """A server refuses the user name or the password; cameras lock accounts after a few such tries."""


@dataclass(slots=True)
class SourceStats:
    """What happened to one camera's frames. Written by one thread only, read by any.

    Attributes:
        frames: frames read, without those that `max_fps` left out.
        dropped: those of `frames` that a live source threw away because a newer one was there.
        broken: packets (or images) that could not be decoded and were skipped.
        reconnects: connections made anew after a live camera was lost.
        error: the last failure, credentials removed; None while all is well.
        warning: something short of a failure, such as a file that was cut off.
    """

    frames: int = 0
    dropped: int = 0
    broken: int = 0
    reconnects: int = 0
    error: str | None = None
    warning: str | None = None


class Source(Protocol):
    """One camera.

    Attributes:
        name: the camera's name.
        live: whether old frames are thrown away when nobody takes them in time.
        stats: counts, up to date while frames are read.
        fps: nominal rate of the frames handed out, known after `open` (None: unknown).
        size: (width, height) in pixels of the images handed out, known after `open` (None: unknown).
    """

    name: str
    live: bool
    stats: SourceStats
    fps: float | None
    size: tuple[int, int] | None

    def open(self) -> None:
        """Open the camera and see its first picture.

        Raises:
            SourceError: it did not open within `open_timeout`; the message is one line, names the camera and
                holds no credentials.
        """

    def frames(self) -> Generator[Frame, None, None]:
        """Hand out the frames in order of time; to be called once, after `open`.

        It blocks until a frame is there and ends with the file, at `run.max_seconds`, or soon after the run's
        stop event or `close`. A live camera that is lost is sought again inside.

        Raises:
            SourceError: the source failed for good.
        """

    def close(self) -> None:
        """End `frames` soon and let go of everything; may be called from any thread and more than once."""
