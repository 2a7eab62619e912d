"""Cameras with an end: video files and folders of images, read without loss or played by their own clock."""

from __future__ import annotations

import stat
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, Protocol

from relaytrack.pipeline.config.schema import InputConfig
from relaytrack.pipeline.media import file_address
from relaytrack.pipeline.records import Frame, Image
from relaytrack.pipeline.sources.base import ReadError, SourceStats
from relaytrack.pipeline.sources.camera import Camera
from relaytrack.pipeline.sources.images import ImageFolderReader
from relaytrack.pipeline.sources.limits import RateLimit
from relaytrack.pipeline.sources.mp4 import read_layout
from relaytrack.pipeline.sources.parts import find_parts
from relaytrack.pipeline.sources.video import VideoReader

_LONGEST_SILENCE = 1.0  # seconds after which even a late frame of a played file is shown


class Reader(Protocol):
    """What a recorded source reads: numbered pictures with times, converted only when they are wanted."""

    fps: float | None
    size: tuple[int, int]
    duration: float | None

    @property
    def broken(self) -> int:
        """Packets (or images) that could not be decoded so far."""
        ...

    @property
    def note(self) -> str | None:
        """What a user should know of the recording, in one line; None where there is nothing."""
        ...

    def open(self) -> None:
        """Open the recording."""
        ...

    def pictures(self) -> Iterator[Any]:
        """The undecoded or unconverted pictures, in order."""
        ...

    def convert(self, raw: Any) -> Image | None:
        """One of them as an RGB image; None where it is broken."""
        ...

    def close(self) -> None:
        """Close the recording."""
        ...


class RecordedSource:
    """A camera that plays a recording once.

    Not live, every frame is handed out, as fast as it is taken. Live, the recording plays by its own clock
    from the moment of its first frame, as a camera would: late frames are dropped and counted; it may begin anew at
    its end (`loop`), with frame numbers that go on.
    """

    ends_by_itself = True  # at `run.max_seconds`

    def __init__(
        self, camera: Camera, find: Callable[[], tuple[Reader, str | None]], *, live: bool, loop: bool = False
    ) -> None:
        """Play as `camera` what `find` returns at opening: a reader and, where due, a warning to log."""
        self.name = camera.name
        self.live = live
        self.stats: SourceStats = camera.stats
        self.fps: float | None = None
        self.size: tuple[int, int] | None = None
        self._camera, self._find = camera, find
        self._loop = loop and live
        self._played = 0  # frames of earlier rounds
        self._reader: Reader | None = None

    def open(self) -> None:
        """See `Source.open`."""
        try:
            reader, warning = self._find()
            reader.open()
        except ReadError as error:
            raise self._camera.open_error(str(error)) from None
        self._reader = reader
        self.fps = self._camera.rate(reader.fps)
        self.size = self._camera.view_size(reader.size)
        self._camera.check_places(reader.size)
        if warning:
            self._camera.warn(warning)

    def frames(self) -> Generator[Frame, None, None]:
        """See `Source.frames`."""
        yield from self._round()
        while self._loop and not self._camera.ended and self._played:
            self.open()
            yield from self._round()

    def _round(self) -> Generator[Frame, None, None]:
        """The frames of the recording, once."""
        camera, reader, stats = self._camera, self._reader, self.stats
        if reader is None:
            raise camera.error("not open")
        limit = RateLimit(camera.max_fps)
        origin, shown, last = 0.0, 0.0, 0.0  # run's clock at the first frame; last one handed out; last seen
        interval = 0.0  # between the last two
        noted: str | None = None  # what was said of a mended clock
        before, self._played = self._played, 0
        try:
            for picture in reader.pictures():
                stats.broken = reader.broken
                if reader.note and not noted:
                    noted = reader.note
                    camera.warn(noted)
                if camera.ended:
                    return
                if self.live and picture.index == 1:
                    origin = shown = time.monotonic() - camera.started
                seconds, interval, last = origin + picture.time, picture.time - last, picture.time
                if camera.max_seconds is not None and seconds + camera.offset >= camera.max_seconds:
                    return
                if not limit.keep(picture.time):
                    continue
                if self.live and not self._wait(seconds, shown):
                    if camera.ended:
                        return
                    stats.frames += 1
                    stats.dropped += 1
                    continue
                image = reader.convert(picture.raw)
                stats.broken = reader.broken
                if image is None:
                    continue
                stats.frames += 1
                shown = time.monotonic() - camera.started
                yield camera.frame(before + picture.index, seconds, image)
                self._played = before + picture.index
            self._check_end(reader, last, interval)
        except ReadError as error:
            raise camera.error(str(error)) from None
        finally:
            stats.broken = reader.broken
            if noted and reader.note:
                camera.restate(noted, reader.note)
            elif reader.note:
                camera.warn(reader.note)
            reader.close()

    def close(self) -> None:
        """See `Source.close`."""
        self._camera.closed.set()

    def _wait(self, due: float, shown: float) -> bool:
        """Wait until `due` on the run's clock; False where the run ended or the frame is too late to show."""
        camera = self._camera
        now = time.monotonic() - camera.started
        if now - due > 1.0 / (self.fps or 25.0):
            return now - shown > _LONGEST_SILENCE
        while now < due:
            if camera.closed.wait(min(due - now, 0.1)) or camera.stop.is_set():
                return False
            now = time.monotonic() - camera.started
        return True

    def _check_end(self, reader: Reader, last: float, interval: float) -> None:
        """Warn where the recording ends well before the time that it promises, `interval` after its last picture."""
        promised, interval = reader.duration, max(interval, 1.0 / (reader.fps or 25.0))
        if promised and last + interval < promised - max(1.0, 0.02 * promised) and not self.stats.warning:
            self._camera.warn(f"incomplete file: it ends at {last:.1f} s of {promised:.1f} s")


def _kind(path: Path) -> str:
    """What a path is that is no file and no folder, and what to do instead."""
    mode = path.stat().st_mode
    if stat.S_ISFIFO(mode):
        return "a pipe cannot be read twice, as recordings are: save it to a file, or stream it (UDP, RTSP)"
    if stat.S_ISCHR(mode) and path.resolve().name.startswith("video"):
        return "a webcam is named webcam:NUMBER (webcam:0 is /dev/video0)"
    return "no file, but a socket or a device"


def find_reader(
    path: Path, shown: str, options: InputConfig, *, fps: float | None, pixel_aspect: float | None = None
) -> tuple[Reader, str | None]:
    """Choose the reader of a file or folder after a look at it.

    Args:
        path: the file or folder.
        shown: how messages call it, without credentials.
        options: how the file is read.
        fps: rate of a folder of images or of a video without a clock, None to find out.
        pixel_aspect: a pixel's width over its height; None: what the video says.

    Returns:
        The reader, not yet opened, and a warning or None.

    Raises:
        ReadError: missing, empty, no file (a pipe), or an mp4 whose index is lost.
    """
    try:
        if path.is_dir():
            return ImageFolderReader(path, fps), None
        if not path.exists():
            raise ReadError(f"no such file: {shown}")
        if not path.is_file():
            raise ReadError(f"{_kind(path)}: {shown}")
        if path.stat().st_size == 0:
            raise ReadError(f"the file is empty: {shown}")
        layout = read_layout(path)
        parts = find_parts(path, layout)
    except OSError as error:
        raise ReadError(f"cannot read {shown} ({error.strerror})") from None
    if layout is not None and not layout.indexed:
        raise ReadError(f"incomplete file: {shown} has lost its index (moov); it was cut off or never finished")
    warning = None
    if layout is not None and layout.missing_bytes:
        warning = f"incomplete file: {shown} was cut off; it is read up to the cut"
    reader = VideoReader(
        file_address(path),
        threads=options.threads,
        longest_gap=options.longest_gap,
        pixel_aspect=pixel_aspect,
        fps=fps,
        parts=parts,
    )
    return reader, warning
