"""Reads one video (file or stream) with PyAV: every picture with its number and its presentation time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
import av.error
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from relaytrack.pipeline.records import Image
from relaytrack.pipeline.sources.base import ReadError
from relaytrack.pipeline.sources.clock import Picture, RecordedClock, Stamped
from relaytrack.pipeline.sources.ffmpeg import explain, open_container
from relaytrack.pipeline.sources.image_converter import ImageConverter, true_size
from relaytrack.pipeline.sources.relay import Relay
from relaytrack.pipeline.sources.stream_facts import nominal_rate, stored_aspect, told_duration
from relaytrack.reid.pictures import MOST_PIXELS

_ATTACHED_PICTURE = 1 << 10  # FFmpeg's AV_DISPOSITION_ATTACHED_PIC: the cover of a piece of music
_GENERATE_TIMES = 1  # FFmpeg's AVFMT_FLAG_GENPTS; its guesses are wrong for H.264 with B-frames in AVI
_MOST_DEMUX_ERRORS = 100  # one after the other
_COUNTED_FROM_ZERO = ("matroska", "avi")  # formats whose length is the last time, whatever the first one is


class VideoReader:
    """One opened video.

    Attributes:
        fps: nominal rate, None where the video does not tell.
        size: (width, height) of its pictures in their true shape, after rotation.
        aspect: a stored pixel's width over its height; 1 in most videos.
        broken: packets that could not be decoded so far.
        duration: seconds from the first picture that the video says it lasts, None where unknown.
    """

    def __init__(
        self,
        address: str,
        *,
        format: str | None = None,
        options: dict[str, str] | None = None,
        open_timeout: float | None = None,
        read_timeout: float | None = None,
        threads: int = 1,
        low_delay: bool = False,
        longest_gap: float | None = 3600.0,
        pixel_aspect: float | None = None,
        relay: Relay | None = None,
    ) -> None:
        """Prepare to read `address`; see `open_container` for the options.

        Args:
            address: what FFmpeg opens.
            format: input format, None to find out.
            options: options of the input format.
            open_timeout: seconds in which the first picture must come, None for a local file.
            read_timeout: seconds in which each packet must come.
            threads: decoder threads.
            low_delay: never hold pictures back for the sake of frame-parallel decoding.
            longest_gap: see `RecordedClock`; None never reads ahead and takes every stamp as it is, for a live
                camera, whose clock is that of arrival.
            pixel_aspect: a pixel's width over its height; None: what the video says.
            relay: what `address` leads through; closed with the reader.
        """
        self.fps: float | None = None
        self.size: tuple[int, int] = (0, 0)
        self.aspect = 1.0
        self.broken = 0
        self.duration: float | None = None
        self._address, self._format, self._options = address, format, options
        self._open_timeout, self._read_timeout = open_timeout, read_timeout
        self._threads, self._low_delay = threads, low_delay
        self._longest_gap = longest_gap
        self._pixel_aspect = pixel_aspect
        self._relay = relay
        self._clock: RecordedClock | None = None
        self._container: InputContainer | None = None
        self._converter: ImageConverter | None = None
        self._pictures: Iterator[Picture[VideoFrame]] = iter(())
        self._first: Picture[VideoFrame] | None = None

    def open(self) -> None:
        """Open the video and decode its first picture.

        Raises:
            ReadError: it cannot be opened, or there is no picture in it.
        """
        started = time.monotonic()
        try:
            self._container = open_container(
                self._address,
                format=self._format,
                options=self._options,
                open_timeout=self._open_timeout,
                read_timeout=self._read_timeout,
            )
        except ReadError:
            if self._relay is not None and self._relay.refused is not None:
                raise ReadError(self._relay.refused) from None
            raise
        self._container.flags &= ~_GENERATE_TIMES
        stream = self._choose_stream(self._container)
        stream.thread_type = "SLICE" if self._low_delay or self._threads == 1 else "AUTO"
        stream.codec_context.thread_count = self._threads
        stream.codec_context.options = {"max_pixels": str(MOST_PIXELS)}  # whatever a damaged header says
        self.fps = nominal_rate(stream)
        self.aspect = self._pixel_aspect or stored_aspect(stream)
        self.duration = told_duration(self._container, stream)
        deadline = None if self._open_timeout is None else started + self._open_timeout
        decoded = self._decode(self._container, stream, deadline)
        if self._longest_gap is None:
            self._pictures = (Picture(seen.index, seen.stamp or 0.0, seen.raw) for seen in decoded)
        else:
            local = self._open_timeout is None
            self._clock = RecordedClock(self.fps, self._longest_gap, self._all_stamps if local else None)
            self._pictures = self._clock.pictures(decoded)
        self._first = next(self._pictures, None)
        if self._first is None:
            raise ReadError("no picture in this video")
        self.size = true_size(self._first.raw, self.aspect)
        start = self._clock.first_stamp if self._clock else None
        if (
            self.duration
            and start
            and start < self.duration
            and self._container.format.name.startswith(_COUNTED_FROM_ZERO)
        ):
            self.duration -= start

    @property
    def note(self) -> str | None:
        """What was mended of the video's clock so far, None if nothing was."""
        return self._clock.note if self._clock else None

    def pictures(self) -> Iterator[Picture[VideoFrame]]:
        """Every picture in presentation order, to be called once.

        Raises:
            ReadError: reading failed, or no packet came within `read_timeout`.
        """
        if self._first is not None:
            yield self._first
            self._first = None
        yield from self._pictures

    def convert(self, raw: VideoFrame) -> Image:
        """The picture as RGB, see `ImageConverter`."""
        if self._converter is None:
            self._converter = ImageConverter(self.size)
        return self._converter.convert(raw)

    def close(self) -> None:
        """Close the video."""
        self._pictures = iter(())
        self._first = None
        if self._container is not None:
            self._container.close()
            self._container = None
        if self._relay is not None:
            self._relay.close()

    @staticmethod
    def _choose_stream(container: InputContainer) -> VideoStream:
        for stream in container.streams.video:
            flags = getattr(stream, "disposition", 0)  # PyAV 14 has none, 15 to 17 one that is no number
            if not int(getattr(flags, "value", flags)) & _ATTACHED_PICTURE:
                if stream.codec_context is None:
                    raise ReadError("no decoder for this video")
                return stream
        raise ReadError("no video in it")

    def _decode(
        self, container: InputContainer, stream: VideoStream, deadline: float | None
    ) -> Iterator[Stamped[VideoFrame]]:
        """Decode packet by packet; a packet that cannot be decoded counts as one lost picture."""
        index, stamped = 0, False  # whether any frame had a presentation time so far
        for packet in self._packets(container, stream):
            try:
                frames: list[Any] = packet.decode()
            except av.error.MemoryError:
                raise ReadError("out of memory while decoding") from None
            except av.error.FFmpegError:
                self.broken += 1
                index += 1
                if deadline is not None and index == self.broken and time.monotonic() > deadline:
                    raise ReadError("no picture that can be decoded") from None
                continue
            for frame in frames:
                index += 1
                stamped = stamped or frame.pts is not None
                stamp = frame.pts if stamped else frame.dts
                yield Stamped(index, _in_seconds(stamp, frame.time_base), frame)

    def _all_stamps(self) -> Iterator[float]:
        """The stamps of the whole file in the order of its packets, read beside what goes on; nothing is decoded."""
        try:
            with open_container(self._address, format=self._format, options=self._options) as container:
                container.flags &= ~_GENERATE_TIMES
                for packet in self._packets(container, self._choose_stream(container), count=False):
                    stamp = _in_seconds(packet.pts, packet.time_base)
                    if stamp is not None:
                        yield stamp
        except ReadError:  # the pictures up to here are told by those who read them
            return

    def _packets(
        self, container: InputContainer, stream: VideoStream, *, count: bool = True
    ) -> Iterator[Packet[VideoStream]]:
        """The stream's packets; a damaged place in the file is skipped, and counted if `count` says so."""
        errors = 0
        while True:
            try:
                for packet in container.demux(stream):
                    errors = 0
                    yield packet
                return
            except av.error.InvalidDataError:
                errors += 1
                self.broken += count and errors == 1
                if errors > _MOST_DEMUX_ERRORS:
                    raise ReadError("too many damaged places in a row") from None
            except av.error.FFmpegError as error:
                raise ReadError(explain(error)) from None


def _in_seconds(stamp: int | None, unit: Fraction | None) -> float | None:
    """Seconds on the stream's clock; one division of whole numbers, hence the same on every machine."""
    return None if stamp is None or unit is None else stamp * unit.numerator / unit.denominator
