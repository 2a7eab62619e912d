"""The streams of a file one after the other: most files have one, recordings that were joined have several."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from functools import partial

from av.container import InputContainer
from av.video.frame import VideoFrame

from relaytrack.pipeline.sources.base import EarlyEndError, ReadError, RequestRefusedError
from relaytrack.pipeline.sources.clock import Stamped
from relaytrack.pipeline.sources.demuxing import OpenStream
from relaytrack.pipeline.sources.ffmpeg import open_container
from relaytrack.pipeline.sources.parts import FilePart, Parts
from relaytrack.pipeline.sources.relay import Relay

Opened = Generator[OpenStream | ReadError, None, None]
"""Opens streams one after the other, each when the one before was read, which is closed then.

In place of one that cannot be opened comes what it failed with.
"""

_LOOK = "formatprobesize"  # FFmpeg's option: bytes by which it tells the format at the latest
_LOOKS = ("65536", "8192", "2048")  # a short stream of unknown length ends while FFmpeg looks for more
_MEDIA = "allowed_media_types"  # FFmpeg's option of RTSP
_MANY_FAILED = 5  # packets at the end; fewer are those of a file that was cut off


class JoinedStreams:
    """Gives the pictures of all parts with numbers that go on.

    Attributes:
        broken: packets that could not be decoded so far.
    """

    def __init__(self, first: OpenStream, others: Opened, *, threads: int, low_delay: bool) -> None:
        """Read `first`, then `others`; see `OpenStream.prepare`."""
        self.broken = 0
        self._first, self._others = first, others
        self._threads, self._low_delay = threads, low_delay
        self._joins = self._unreadable = self._first_join = self._failed = 0

    @property
    def packets_before_picture(self) -> int:
        """Packets that came so far, while there was no picture; else 0."""
        return self._first.before_picture

    @property
    def note(self) -> str | None:
        """What a user should know of the parts; None where there is nothing."""
        said = [self._first.note] if self._first.note else []
        if self._joins:
            more = f" and {self._joins - 1} more" if self._joins > 1 else ""
            said.append(f"another recording begins at frame {self._first_join}{more} in this file, all are read")
        if self._unreadable:
            several = self._unreadable > 1
            said.append(
                f"{self._unreadable} recording{'s' if several else ''} joined in this file cannot be read and "
                f"{'are' if several else 'is'} left out"
            )
        if self._failed:
            said.append(f"{self._failed} packets at the end of a recording in this file cannot be decoded")
        return "; ".join(said) or None

    def pictures(self, deadline: float | None) -> Iterator[Stamped[VideoFrame]]:
        """All pictures of all parts; see `OpenStream.pictures`."""
        before = 0
        for index, picture in self._one(self._first, 0, deadline):
            before = index
            yield picture
        for other in self._others:
            if isinstance(other, ReadError):
                self._unreadable += 1
                continue
            begun = False
            for index, picture in self._one(other, before, None):
                if not begun:
                    begun = True
                    self._joins += 1
                    self._first_join = self._first_join or index
                before = index
                yield picture
            self._unreadable += not begun

    def _one(
        self, stream: OpenStream, before: int, deadline: float | None
    ) -> Iterator[tuple[int, Stamped[VideoFrame]]]:
        broken = self.broken
        stream.prepare(threads=self._threads, low_delay=self._low_delay)
        try:
            for picture in stream.pictures(deadline):
                self.broken = broken + stream.broken
                index = before + picture.index
                yield index, Stamped(index, picture.stamp, picture.raw)
        finally:
            self.broken = broken + stream.broken
            self._failed += stream.failing if stream.failing >= _MANY_FAILED else 0


def first_of(streams: Opened) -> OpenStream:
    """The first stream that opens.

    Raises:
        ReadError: none does; what the first one failed with.
    """
    failure: ReadError | None = None
    for stream in streams:
        if not isinstance(stream, ReadError):
            return stream
        failure = failure or stream
    raise failure or ReadError("no video in it") from None


def open_parts(parts: Parts) -> Opened:
    """Open the parts of a file."""
    for part in parts():
        yield from _opened(partial(open_container, part), part)


def open_address(
    address: str,
    *,
    format: str | None,
    options: dict[str, str] | None,
    open_timeout: float | None,
    read_timeout: float | None,
    relay: Relay | None,
) -> Opened:
    """Open the only stream of an address; see `open_container`."""
    opened = partial(open_container, address, format=format, open_timeout=open_timeout, read_timeout=read_timeout)

    def connect() -> InputContainer:
        try:
            return _opened_by_a_look(opened, options or {}, _LOOKS if address.lower().startswith("http") else ())
        except ReadError:
            if relay is not None and relay.refused is not None:
                raise ReadError(relay.refused) from None
            raise

    return _opened(connect, direct=relay is None)


def _opened_by_a_look(
    opened: Callable[..., InputContainer], options: dict[str, str], looks: Sequence[str]
) -> InputContainer:
    """Open a stream; if it ends while FFmpeg looks for its format, once more with each of these shorter looks.

    A camera without video refuses to play it; all that it has is opened then, so that this can be told.
    """
    try:
        return opened(options=options)
    except RequestRefusedError:
        if _MEDIA not in options:
            raise
        with suppress(ReadError):
            return opened(options={key: value for key, value in options.items() if key != _MEDIA})
        raise
    except EarlyEndError:
        for size in looks:
            with suppress(EarlyEndError):
                return opened(options={**options, _LOOK: size})
        raise


def _opened(
    connect: Callable[[], InputContainer],
    part: FilePart | None = None,
    *,
    direct: bool = True,
) -> Opened:
    try:
        container = connect()
    except ReadError as error:
        yield error
        return
    with container:
        try:
            stream = OpenStream(container, part, direct=direct)
        except ReadError as error:
            yield error
            return
        yield stream
