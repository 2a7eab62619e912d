"""Pictures with times -> one H.264 mp4 file that stays playable while it grows."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import av
import av.error

from relaytrack.pipeline.errors import OutputError
from relaytrack.pipeline.media import file_address
from relaytrack.pipeline.pauses import SHORTENED, Pauses
from relaytrack.pipeline.records import Image
from relaytrack.pipeline.render.clips import whole_boxes
from relaytrack.pipeline.render.h264 import CLOCK, Ticks, add_stream, frame_of
from relaytrack.pipeline.results.folder import open_private, writing

_LONGEST_LAST = 1.0  # seconds that the last picture lasts at the most
_HEAD = 16_384  # bytes in which the first fragment begins, if there is one
_KEY_EVERY = 2.0  # seconds between key frames, whatever the rate: seeking in a browser stays quick


class Encoder:
    """Writes pictures of one size as H.264, yuv420p, at the times they have.

    A pause of more than `LONGEST_STILL` seconds lasts `SHORTENED` seconds in the file; see
    `relaytrack.pipeline.pauses`.

    While it is written, the file is a fragmented mp4: a fragment goes to the disk at least every `fragment`
    seconds of video, so that after a kill everything up to the last one plays. Odd sizes are padded to even
    ones by repeating the last row or column.

    Args:
        path: the file; replaced if it is there.
        crf: x264's constant rate factor.
        preset: x264's preset.
        fragment: seconds of video per fragment.
        fragmented: off writes a plain file with its index in front, which is valid only after `close`.
        threads: encoder threads.
        on_pause: told the time after a pause that was shortened, and the pause's true length, in seconds.

    Raises:
        OutputError: the file cannot be opened for writing.
    """

    def __init__(
        self,
        path: Path,
        *,
        crf: int = 26,
        preset: str = "ultrafast",
        fragment: float = 0.5,
        fragmented: bool = True,
        threads: int = 1,
        on_pause: Callable[[float, float], None] | None = None,
    ) -> None:
        self.path = path
        self._file = open_private(path.absolute(), "w+b", buffering=0)  # FFmpeg opens its name anew for the index
        # zerolatency: a picture is on its way to the disk at once; and crf means the same at every frame rate
        self._options = {"crf": str(crf), "preset": preset, "tune": "zerolatency"}
        self._threads = threads
        self._fragmented = fragmented
        if fragmented:
            container = {
                "movflags": "empty_moov+default_base_moof",
                "frag_duration": str(round(fragment * 1e6)),
                "flush_packets": "1",
            }
        else:
            container = {"movflags": "faststart"}
        with _muxing(path):
            self._container = av.open(self._file, "w", format="mp4", container_options=container)
        self._stream: av.VideoStream | None = None
        self._pauses = Pauses()
        self._on_pause = on_pause
        self._ticks = Ticks()
        self.size: tuple[int, int] | None = None  # (width, height) of the first picture
        self._key_at = 0.0
        self.closed = False

    def write(self, image: Image, time: float) -> None:
        """Append a picture.

        Args:
            image: (H, W, 3) uint8 RGB, of the first picture's size.
            time: seconds; the first picture's time is the file's zero. A time that is not later than the one
                before becomes the next tick.

        Raises:
            OutputError: the disk is full, FFmpeg refuses the picture, or it has another size.
        """
        height, width = image.shape[:2]
        cuts = len(self._pauses.cuts)
        given, time = time, self._pauses.place(time)
        if len(self._pauses.cuts) > cuts and self._on_pause is not None:
            self._on_pause(given, self._pauses.cuts[-1][1] + SHORTENED)
        if self._stream is None:
            self.size, self._key_at = (width, height), time
            with _muxing(self.path):
                self._stream = add_stream(self._container, self.size, self._options, threads=self._threads)
        if (width, height) != self.size:
            raise OutputError(f"video {self.path}: a picture of {width}x{height} in a file of {self.size}")
        key = time >= self._key_at
        if key:
            self._key_at = time + _KEY_EVERY
        self._mux(frame_of(image, self._ticks.at(time), key=key))

    def _mux(self, frame: av.VideoFrame | None) -> None:
        """Encode a picture (None: what is left) and write it.

        A picture lasts until the next one, which the file's times say; its own duration counts only for the last
        one of a fragment or of the file, and is the usual interval.
        """
        assert self._stream is not None
        usual = self._ticks.usual(CLOCK // 25)
        try:
            with _muxing(self.path):
                for packet in self._stream.encode(frame):
                    packet.duration = round(min(usual, _LONGEST_LAST * CLOCK))
                    self._container.mux(packet)
        except OutputError:
            self._abandon()
            raise

    def _abandon(self) -> None:
        """After a failed write: what reached the disk stays, up to the last whole fragment.

        A file that holds no picture goes; one that cannot be looked at now may hold some, and stays.
        """
        self.closed = True
        empty = not self._fragmented
        if self._fragmented:
            with suppress(OSError):
                self._file.truncate(whole_boxes(self._file))
                self._file.seek(0)
                empty = b"moof" not in self._file.read(_HEAD)
        with suppress(OSError):
            self._file.close()
        if empty:
            with suppress(OSError):
                self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Complete the file; an encoder that got no picture leaves none behind.

        Raises:
            OutputError: the rest cannot be written.
        """
        if self.closed:
            return
        if self._stream is None:
            self._abandon()
            return
        self._mux(None)
        self.closed = True
        with _muxing(self.path), self._file:
            self._container.close()
            if not self._fragmented:  # it is about to replace another file
                os.fsync(self._file.fileno())


def remux(source: Path, target: Path) -> None:
    """Copy a fragmented mp4 into one with its index in front, without decoding: players seek in it at once.

    Raises:
        OutputError: the copy cannot be written.
    """
    file = open_private(target.absolute(), "w+b", buffering=0)
    with _muxing(target), file, av.open(file_address(source)) as given:
        if not given.streams.video:
            raise OutputError(f"cannot write {target}: no video in {source}")
        options = {"movflags": "faststart"}
        with av.open(file, "w", format="mp4", container_options=options) as copy:
            stream = copy.add_stream_from_template(given.streams.video[0])
            for packet in given.demux(video=0):
                if packet.dts is not None:
                    packet.stream = stream
                    copy.mux(packet)
        os.fsync(file.fileno())


@contextmanager
def _muxing(path: Path) -> Iterator[None]:
    """Turn the errors of the operating system and of FFmpeg inside into one line that names `path`.

    Raises:
        OutputError: in place of them; FFmpeg's are of many classes, and a missing encoder is a ValueError.
    """
    try:
        with writing(path):
            yield
    except (av.error.FFmpegError, ValueError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise OutputError(f"cannot write {path}: {reason}") from error
