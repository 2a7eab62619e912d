"""Short pieces of a recording, also of one that is still being written; copied, not encoded anew."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import IO

import av
import av.error
from av.container import InputContainer
from av.packet import Packet

from relaytrack.pipeline.errors import OutputError


@dataclass(frozen=True, slots=True)
class Clip:
    """A piece of a video.

    Attributes:
        start: its first picture's place in the recording, seconds.
        end: its last picture's place.
        data: an mp4 file.
    """

    start: float
    end: float
    data: bytes


def cut_clip(path: Path, start: float, seconds: float) -> Clip | None:
    """The part of a recording from the last key frame that is not after `start`, `seconds` long from `start` on.

    Args:
        path: an mp4 file as `Encoder` writes it, complete or growing.
        start: place in the recording, seconds; before its beginning is its beginning.
        seconds: how much at the most.

    Returns:
        The clip; None where the recording does not reach that far (yet).

    Raises:
        OutputError: the file cannot be read.
    """
    try:
        with path.open("rb") as file, av.open(_Whole(file), "r", format="mp4") as container:
            if not container.streams.video:
                return None
            stream = container.streams.video[0]
            packets = list(takewhile(lambda one: _at(one) <= start + seconds, _from_key(container, stream, start)))
            if not packets or _at(packets[-1]) < start:
                return None
            return _written(stream, packets)
    except FileNotFoundError:
        return None
    except av.error.EOFError:  # nothing but its head is there yet
        return None
    except (OSError, av.error.FFmpegError, ValueError) as error:
        raise OutputError(f"cannot read {path}: {error}") from None


def _from_key(container: InputContainer, stream: av.VideoStream, start: float) -> Iterator[Packet[av.VideoStream]]:
    """The packets from the last key frame at or before `start` on."""
    group: list[Packet[av.VideoStream]] = []  # of the key frame that may be the last one before `start`
    begun = False
    try:
        for packet in container.demux(stream):
            if packet.pts is None:
                continue
            if begun:
                yield packet
                continue
            if packet.is_keyframe and (_at(packet) <= start or not group):
                group = []
            group.append(packet)
            if _at(packet) > start:
                begun = True
                yield from group
    except av.error.InvalidDataError:  # the end of a file that is cut off
        pass
    if not begun:
        yield from group


def _at(packet: Packet[av.VideoStream]) -> float:
    assert packet.pts is not None
    assert packet.time_base is not None
    return float(packet.pts * packet.time_base)


def _written(stream: av.VideoStream, packets: list[Packet[av.VideoStream]]) -> Clip:
    """The packets as a file of their own, which begins at 0."""
    start, end = _at(packets[0]), _at(packets[-1])
    first = packets[0].pts or 0
    data = io.BytesIO()
    with av.open(data, "w", format="mp4") as copy:
        into = copy.add_stream_from_template(stream)
        for packet in packets:
            packet.pts = (packet.pts or 0) - first
            packet.dts = packet.pts
            packet.stream = into
            copy.mux(packet)
    return Clip(start, end, data.getvalue())


class _Whole:
    """A growing mp4 file up to its last complete box, so that nothing half-written is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._end = whole_boxes(file)
        file.seek(0)

    def read(self, count: int = -1) -> bytes:
        """At most `count` bytes."""
        left = max(0, self._end - self._file.tell())
        return self._file.read(left if count < 0 else min(count, left))

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As of a file; the end is that of the last complete box."""
        if whence == os.SEEK_END:
            return self._file.seek(self._end + offset)
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """As of a file."""
        return self._file.tell()


def whole_boxes(file: IO[bytes]) -> int:
    """The length of an mp4 file up to its last complete box that is not the head of a fragment (`moof`)."""
    end = file.seek(0, os.SEEK_END)
    place = whole = 0
    while place + 8 <= end:
        file.seek(place)
        size, kind = struct.unpack(">I4s", file.read(8))
        if size < 8 or place + size > end:
            break
        place += size
        if kind != b"moof":
            whole = place
    return whole
