"""Reads one video (file or stream) with PyAV: every picture with its number and its presentation time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

from av.video.frame import VideoFrame

from relaytrack.pipeline.records import Image
from relaytrack.pipeline.sources.base import ReadError
from relaytrack.pipeline.sources.clock import Picture, RecordedClock
from relaytrack.pipeline.sources.clockless import CountedPictures
from relaytrack.pipeline.sources.demuxing import OpenStream
from relaytrack.pipeline.sources.image_converter import ImageConverter, true_size
from relaytrack.pipeline.sources.joined import JoinedStreams, Opened, first_of, open_address, open_parts
from relaytrack.pipeline.sources.parts import Parts
from relaytrack.pipeline.sources.relay import Relay
from relaytrack.pipeline.sources.stream_facts import nominal_rate, stored_aspect
from relaytrack.reid.pictures import MOST_PIXELS

KEYFRAME = 90.0
"""Seconds that a live camera may send video without a keyframe, with which its pictures begin."""
_COUNTED_FROM_ZERO = ("matroska", "avi")  # formats whose length is the last time, whatever the first one is


class VideoReader:
    """One opened video.

    Attributes:
        fps: nominal rate, None where the video does not tell.
        size: (width, height) of its pictures in their true shape, after rotation.
        aspect: a stored pixel's width over its height; 1 in most videos.
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
        fps: float | None = None,
        relay: Relay | None = None,
        parts: Parts | None = None,
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
            fps: pictures per second of a video without a clock; None: what it says.
            relay: what `address` leads through; closed with the reader.
            parts: reads the parts of a local file, which is then not opened by its address.
        """
        self.fps: float | None = None
        self.size: tuple[int, int] = (0, 0)
        self.aspect = 1.0
        self.duration: float | None = None
        self._address, self._format, self._options = address, format, options
        self._open_timeout, self._read_timeout = open_timeout, read_timeout
        self._threads, self._low_delay = threads, low_delay
        self._longest_gap = longest_gap
        self._pixel_aspect, self._rate = pixel_aspect, fps
        self._counted: CountedPictures | None = None
        self._relay, self._parts = relay, parts
        self._clock: RecordedClock | None = None
        self._streams: Opened | None = None
        self._stream: OpenStream | None = None
        self._joined: JoinedStreams | None = None
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
            self._open(started)
        except ReadError:
            if self._streams is None or self._stream is None or self._stream.format != "mpjpeg":
                raise
            self._streams.close()
            self._format = "mjpeg"  # FFmpeg takes no parts but those that are called image/jpeg
            self._options = {**(self._options or {}), "analyzeduration": "200000", "fpsprobesize": "0"}
            self._open(started)

    def _open(self, started: float) -> None:
        self._streams = self._opened()
        self._stream = stream = first_of(self._streams)
        told = stream.stream.codec_context.width, stream.stream.codec_context.height
        self.fps = nominal_rate(stream.stream, clockless=stream.is_clockless)
        self.aspect = self._pixel_aspect or stored_aspect(stream.stream)
        self.duration = stream.duration
        live = self._longest_gap is None
        deadline = None if self._open_timeout is None else started + self._open_timeout + (KEYFRAME if live else 0.0)
        self._joined = JoinedStreams(stream, self._streams, threads=self._threads, low_delay=self._low_delay)
        decoded = self._joined.pictures(deadline)
        if self._longest_gap is None:
            self._pictures = (Picture(seen.index, seen.stamp or 0.0, seen.raw) for seen in decoded)
        else:
            if stream.is_clockless:
                self._counted = CountedPictures(stream.format, self._rate, self.fps)
                self.fps = self._counted.fps
                decoded = self._counted.pictures(decoded)
            local = self._open_timeout is None
            self._clock = RecordedClock(self.fps, self._longest_gap, self._all_stamps if local else None)
            self._pictures = self._clock.pictures(decoded)
        try:
            self._first = next(self._pictures, None)
        except ReadError as error:
            raise ReadError(f"{error}{stream.hint}") from None
        if self._first is None:
            width, height = told
            if width * height > MOST_PIXELS:
                most = MOST_PIXELS // 1_000_000
                raise ReadError(f"its pictures are {width} x {height}: more than {most} million pixels are not read")
            raise ReadError(f"no picture in this video{stream.hint}")
        self.size = true_size(self._first.raw, self.aspect)
        start = self._clock.first_stamp if self._clock else None
        if self.duration and start and start < self.duration and stream.format.startswith(_COUNTED_FROM_ZERO):
            self.duration -= start

    @property
    def is_single(self) -> bool:
        """Whether a web server gives one picture for each request."""
        return self._stream is not None and self._stream.is_single

    @property
    def is_in_pieces(self) -> bool:
        """Whether it comes in pieces of some seconds, listed in a playlist."""
        return self._stream is not None and self._stream.is_in_pieces

    @property
    def is_paced(self) -> bool:
        """Whether it comes faster than it is to be played."""
        return self._stream is not None and self._stream.is_paced

    @property
    def packets_before_picture(self) -> int:
        """Packets that came so far, while there was no picture; else 0."""
        return self._joined.packets_before_picture if self._joined else 0

    @property
    def broken(self) -> int:
        """Packets that could not be decoded so far."""
        return self._joined.broken if self._joined else 0

    @property
    def note(self) -> str | None:
        """What was found out of the video so far: a mended clock, recordings that were joined; None if nothing was."""
        parts = (self._joined, self._clock, self._counted)
        said = [part.note for part in parts if part is not None and part.note]
        if self._rate and self._clock is not None and self._counted is None:
            said.append("it has a clock: the camera's fps is left out (max_fps takes fewer of its pictures)")
        if self._stream is not None and self._clock is not None and self._stream.recording_note:
            said.append(self._stream.recording_note)
        return "; ".join(said) or None

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
        return self._converter.convert(raw, self.aspect)

    def close(self) -> None:
        """Close the video."""
        self._pictures = iter(())
        self._first = None
        if self._streams is not None:
            self._streams.close()
        if self._relay is not None:
            self._relay.close()

    def _opened(self, *, timed: bool = True) -> Opened:
        """The streams one after the other; `timed`: within the time limits."""
        if self._parts is not None:
            return open_parts(self._parts)
        return open_address(
            self._address,
            format=self._format,
            options=self._options,
            open_timeout=self._open_timeout if timed else None,
            read_timeout=self._read_timeout if timed else None,
            relay=self._relay,
        )

    def _all_stamps(self) -> Iterator[float]:
        """The stamps of the whole file in the order of its packets, read beside what goes on; nothing is decoded."""
        with closing(self._opened(timed=False)) as streams:
            for stream in streams:
                if not isinstance(stream, ReadError):
                    yield from stream.stamps()
