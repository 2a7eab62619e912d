"""One opened stream or part of a file: its packets, its pictures with their own time stamps, nothing mended."""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import av
import av.error
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from relaytrack.pipeline.sources.base import ReadError
from relaytrack.pipeline.sources.clock import Stamped
from relaytrack.pipeline.sources.clockless import is_clockless
from relaytrack.pipeline.sources.ffmpeg import explain
from relaytrack.pipeline.sources.http_ending import was_cut
from relaytrack.pipeline.sources.parts import FilePart
from relaytrack.pipeline.sources.stream_facts import told_duration
from relaytrack.reid.pictures import MOST_PIXELS

_ATTACHED_PICTURE = 1 << 10  # FFmpeg's AV_DISPOSITION_ATTACHED_PIC: the cover of a piece of music
_GENERATE_TIMES = 1  # FFmpeg's AVFMT_FLAG_GENPTS; its guesses are wrong for H.264 with B-frames in AVI
_IN_PIECES = ("hls", "dash")
_CUT = "the connection was cut before the end of the video"
_DRAWN_TEXT = ("tty", "bin", "xbin", "adf", "idf")  # FFmpeg draws texts as pictures
_MOST_DEMUX_ERRORS = 100  # one after the other


class OpenStream:
    """The video of an opened container.

    Attributes:
        stream: FFmpeg's stream.
        broken: packets that could not be decoded so far.
        failing: how many of them came behind the last picture.
        before_picture: packets that came so far, while there was no picture; else 0.
        note: what a user should know of it; None where there is nothing.
    """

    def __init__(self, container: InputContainer, part: FilePart | None = None, *, direct: bool = True) -> None:
        """Choose the video of `container`, which reads `part` if that is given.

        `direct`: its name is the address of the server, not of a relay.

        Raises:
            ReadError: there is none, or nothing that decodes it.
        """
        self.broken = self.failing = self.before_picture = 0
        self._container, self._part, self._direct = container, part, direct
        container.flags &= ~_GENERATE_TIMES
        if container.format.name in _DRAWN_TEXT:
            raise ReadError("no video in it, but text")
        videos = _videos(container)
        self.stream = _choose(videos)
        context = self.stream.codec_context
        several = f"{len(videos)} videos in it: the largest, {context.width} x {context.height}, is read"
        self.note = several if len(videos) > 1 else None

    @property
    def format(self) -> str:
        """FFmpeg's name of the container's format."""
        return self._container.format.name

    @property
    def duration(self) -> float | None:
        """Seconds that it says it lasts, None where it does not say."""
        known = self._part is None or self._part.measured
        return told_duration(self._container, self.stream) if known else None

    @property
    def is_clockless(self) -> bool:
        """Whether its pictures have no times."""
        return is_clockless(self._container)

    @property
    def is_single(self) -> bool:
        """Whether a web server gives one picture for each request, as cameras do at `.../snapshot.jpg`."""
        return self._of_http and (self.format == "image2" or self.format.endswith("_pipe"))

    @property
    def is_in_pieces(self) -> bool:
        """Whether it comes in pieces of some seconds, listed in a playlist."""
        return self._of_http and self.format in _IN_PIECES

    @property
    def is_paced(self) -> bool:
        """Whether a web server sends it faster than it is to be played: in pieces, or as a file."""
        return self.is_in_pieces or (self._of_http and not self.is_single and bool(self._container.duration))

    @property
    def recording_note(self) -> str | None:
        """What a user should know where it is read as a recording; None where there is nothing."""
        if self.is_single:
            return "a single picture; with live: true it is fetched again and again"
        if self._of_http and self.format == "mpjpeg":
            return "its pictures have no times; with live: true the time of arrival counts"
        return None

    @property
    def hint(self) -> str:
        """What may be the reason where no picture comes; "" for nothing."""
        if self._of_http and self.format.startswith("mov"):
            return (
                " (a server without byte ranges can only send an mp4 whose index is in front: "
                "ffmpeg -i a.mp4 -c copy -movflags faststart b.mp4)"
            )
        if self.format == "webp_pipe":
            return " (animated WebP needs PyAV 19 or later; or make a GIF or a folder of pictures of it)"
        return ""

    def prepare(self, *, threads: int, low_delay: bool) -> None:
        """Set up the decoder; `low_delay`: never hold pictures back for the sake of frame-parallel decoding."""
        self.stream.thread_type = "SLICE" if low_delay or threads == 1 else "AUTO"
        self.stream.codec_context.thread_count = threads
        self.stream.codec_context.options = {"max_pixels": str(MOST_PIXELS)}  # whatever a damaged header says

    def pictures(self, deadline: float | None = None) -> Iterator[Stamped[VideoFrame]]:
        """Decode packet by packet; a packet that cannot be decoded counts as one lost picture.

        Args:
            deadline: `time.monotonic()` by which there must have been a picture, None for a local file.

        Raises:
            ReadError: reading failed.
        """
        index, stamped = 0, False  # whether any frame had a presentation time so far
        packets, failure = self.packets(), None
        while failure is None:
            try:
                packet = next(packets, None)
            except ReadError as error:  # the pictures that the decoder still holds come first
                packet, failure = self._last_packet(), error
            if packet is None:
                return
            if index == self.broken:
                self.before_picture += 1
                if deadline is not None and time.monotonic() > deadline:
                    raise ReadError("no picture that can be decoded")
            try:
                frames: list[Any] = packet.decode()
            except av.error.MemoryError:
                raise ReadError("out of memory while decoding") from None
            except (av.error.FFmpegError, ValueError):  # ValueError: PyAV 19 on what has no decoder
                self.broken += 1
                self.failing += 1
                index += 1
                continue
            for frame in frames:
                self.before_picture = 0
                if packet.size:  # pictures that the decoder held back do not count
                    self.failing = 0
                index += 1
                stamped = stamped or frame.pts is not None
                stamp = frame.pts if stamped else frame.dts
                yield Stamped(index, _in_seconds(stamp, frame.time_base), frame)
        raise failure

    def stamps(self) -> Iterator[float]:
        """The time stamps of all packets in their order, seconds; nothing is decoded.

        Raises:
            ReadError: reading failed.
        """
        for packet in self.packets():
            stamp = _in_seconds(packet.pts, packet.time_base)
            if stamp is not None:
                yield stamp

    def packets(self) -> Iterator[Packet[VideoStream]]:
        """The stream's packets; a damaged place in the file is skipped and counted.

        Raises:
            ReadError: reading failed.
        """
        errors = 0
        while True:
            try:
                for packet in self._container.demux(self.stream):
                    errors = 0
                    yield packet
                return
            except av.error.InvalidDataError:
                errors += 1
                self.broken += errors == 1
                if errors > _MOST_DEMUX_ERRORS:
                    raise ReadError("too many damaged places in a row") from None
            except av.error.FFmpegError as error:
                if self._of_http and error.errno == errno.EIO:  # it ended before FFmpeg thought it would
                    if self._was_cut():
                        raise ReadError(_CUT) from None
                    yield self._last_packet()
                    return
                raise ReadError(explain(error)) from None
            except OSError as error:  # of a part of a file
                raise ReadError(f"read error ({error.strerror or type(error).__name__})") from None

    def _was_cut(self) -> bool:
        """Whether a web server's connection ended before the video; a server that told no length is asked again."""
        return (self._container.size or 0) > 0 or (self._direct and was_cut(self._container.name))

    @property
    def _of_http(self) -> bool:
        return self._part is None and self._container.name.lower().startswith("http")

    def _last_packet(self) -> Packet[VideoStream]:
        """An empty packet, after which the decoder gives the pictures that it held back."""
        packet: Packet[Any] = Packet()
        packet.stream = self.stream
        if self.stream.time_base is not None:
            packet.time_base = self.stream.time_base
        return packet


def _videos(container: InputContainer) -> list[VideoStream]:
    """All videos of a container, without covers of pieces of music."""
    found = []
    for stream in container.streams.video:
        flags = getattr(stream, "disposition", 0)  # PyAV 14 has none, 15 to 17 one that is no number
        if not int(getattr(flags, "value", flags)) & _ATTACHED_PICTURE:
            found.append(stream)
    return found


def _choose(videos: Sequence[VideoStream]) -> VideoStream:
    """The video with the largest pictures, the first of those; beside it there may be a preview."""
    readable = [stream for stream in videos if stream.codec_context is not None]
    if not readable:
        raise ReadError("no decoder for this video" if videos else "no video in it")
    return max(readable, key=lambda stream: stream.codec_context.width * stream.codec_context.height)


def _in_seconds(stamp: int | None, unit: Fraction | None) -> float | None:
    """Seconds on the stream's clock; one division of whole numbers, hence the same on every machine."""
    return None if stamp is None or unit is None else stamp * unit.numerator / unit.denominator
