"""Recordings that were joined in one file, `cat a.ts b.ts > c.ts`: each of them is read as a file of its own.

FFmpeg reads such a file with what it found at the beginning. What has another codec, another number or another header
is left out without a word. Here the file is handed to it part by part.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from io import SEEK_CUR, SEEK_END, SEEK_SET
from pathlib import Path
from typing import Protocol

from relaytrack.pipeline.sources.mp4 import Mp4Layout
from relaytrack.pipeline.sources.transport import TransportSplitter, packet_size

_HEAD = 4096  # bytes that show what kind of file it is
_STEP = 1 << 20  # bytes that are looked through at once
_FARTHEST = 1 << 26  # bytes that are looked through for one reading; one that goes further looks for an index
_LONGEST_MARK = 64  # bytes of a header's beginning
# The beginnings of files whose format lets them be joined: long enough never to be met within a picture.
_MARKS = {
    "matroska": re.compile(rb"\x1a\x45\xdf\xa3[\x40-\xff][\x00-\xff]{0,48}?\x42\x82[\x84\x88](?:webm|matroska)"),
    "flv": re.compile(rb"FLV\x01[\x01\x04\x05]\x00\x00\x00\x09\x00\x00\x00\x00"),
    "avi": re.compile(rb"RIFF[\x00-\xff]{4}AVI LIST[\x00-\xff]{4}hdrlavih"),
}


# Video without a container: which it is, by its first unit, and with which unit the other kind begins.
_RAW = {
    "h264": re.compile(rb"\x00?\x00\x00\x01[\x09\x27\x47\x67]"),  # a delimiter or a sequence's parameters
    "hevc": re.compile(rb"\x00?\x00\x00\x01[\x40\x46]\x01"),
}
_OTHER_RAW = {
    "h264": re.compile(rb"\x00\x00\x01\x40\x01\x0c[\x00-\x0f]\xff\xff"),
    "hevc": re.compile(rb"\x00\x00\x01[\x27\x47\x67][\x42\x4d\x58\x64\x6e\x7a\xf4][\x00-\xff][\x09-\x3e]"),
}


class Splitter(Protocol):
    """Looks for the place where another recording begins."""

    def feed(self, at: int, data: bytes) -> int | None:
        """Look through the bytes that follow the last ones; where another recording begins, else None."""
        ...


class MarkSplitter:
    """Looks for the header with which files of one format begin."""

    def __init__(self, mark: re.Pattern[bytes], *, own: bool = True) -> None:
        """Look for `mark`; with `own` the one that is met first belongs to the recording itself."""
        self._mark, self._first = mark, own
        self._rest = b""

    def feed(self, at: int, data: bytes) -> int | None:
        """See `Splitter.feed`."""
        at, data = at - len(self._rest), self._rest + data
        begin = 0
        while found := self._mark.search(data, begin):
            if not self._first:
                return at + found.start()
            self._first, begin = False, found.end()
        self._rest = data[max(begin, len(data) - _LONGEST_MARK) :]
        return None


def splitter_of(head: bytes) -> Splitter | None:
    """What finds the recordings that are joined behind one that begins with `head`; None where nothing does."""
    size = packet_size(head)
    if size:
        return TransportSplitter(size)
    for mark in _MARKS.values():
        if mark.match(head):
            return MarkSplitter(mark)
    for kind, mark in _RAW.items():
        if mark.match(head):
            return MarkSplitter(_OTHER_RAW[kind], own=False)
    return None


class FilePart:
    """A part of a file, read like a file of its own (for `av.open`).

    Args:
        path: the file.
        start: where the part begins, bytes.
        end: where it ends; None: where `splitter` finds another recording, or at the end of the file.
        splitter: looks through what is read, ahead of the reader.

    Attributes:
        measured: False where the part's length cannot be told from the file's last bytes, since they are another's.

    Raises:
        OSError: the file cannot be read.
    """

    def __init__(self, path: Path, start: int = 0, end: int | None = None, splitter: Splitter | None = None) -> None:
        self.name = str(path)
        self._file = path.open("rb", buffering=0)
        self._start, self._end, self._splitter = start, end, splitter
        self._at = self._looked = start
        self._tail: bool | None = None  # whether the end of the file seems to belong to this part
        self.measured = True

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; b"" at the end of the part."""
        if self._at - self._looked <= _FARTHEST:
            self._look(self._at + size)
        if not self._continues(self._at):
            self.measured = False
            return b""
        if self._end is not None:
            size = min(size, self._end - self._at)
        if size <= 0:
            return b""
        data = self._bytes(self._at, size)
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        """Go to a place, counted in bytes from the part's beginning."""
        begin = {SEEK_SET: self._start, SEEK_CUR: self._at, SEEK_END: self._known_end}[whence]
        self._at = max(self._start, begin + offset)
        return self.tell()

    def tell(self) -> int:
        """Where the next byte is read, from the part's beginning."""
        return self._at - self._start

    def find_end(self) -> int | None:
        """Where in the file another part begins, bytes; None where the file ends with this one."""
        size = os.fstat(self._file.fileno()).st_size
        while self._splitter is not None and self._looked < size:
            self._look(min(self._looked + _STEP, size))
        return self._end if self._end is not None and self._end < size else None

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def _known_end(self) -> int:
        return os.fstat(self._file.fileno()).st_size if self._end is None else self._end

    def _continues(self, at: int) -> bool:
        """Whether a place far ahead, where FFmpeg looks for the last time stamp, belongs to this part as it seems."""
        if not isinstance(self._splitter, TransportSplitter) or at <= self._looked:
            return True
        if self._tail is None:
            there = TransportSplitter(self._splitter.size)
            there.feed(0, self._bytes(max(at, self._known_end - _STEP), _STEP))
            self._tail = there.video is None or there.video == self._splitter.video
        return self._tail

    def _bytes(self, at: int, size: int) -> bytes:
        self._file.seek(at)
        return self._file.read(size) or b""

    def _look(self, to: int) -> None:
        """Look through everything before `to`."""
        while self._looked < to and self._splitter is not None:
            data = self._bytes(self._looked, _STEP)
            if not data:
                return
            found = self._splitter.feed(self._looked, data)
            self._looked += len(data)
            if found is not None and found > self._start:
                self._end, self._splitter = found, None


Parts = Callable[[], Iterator[FilePart]]
"""Begins to read a file's parts; each is taken after the one before was read, and closes that one."""


def find_parts(path: Path, layout: Mp4Layout | None) -> Parts | None:
    """How the parts of a file are read one after the other; None for a file that is read as it is.

    Args:
        path: the file.
        layout: of an mp4, its boxes; None for another kind of file.

    Raises:
        OSError: the file cannot be read.
    """
    if layout is not None:
        starts = layout.starts
        return (lambda: _between(path, starts)) if len(starts) > 1 else None
    with path.open("rb") as file:
        head = file.read(_HEAD)
    return None if splitter_of(head) is None else (lambda: _one_by_one(path))


def _between(path: Path, starts: tuple[int, ...]) -> Iterator[FilePart]:
    for start, end in zip(starts, (*starts[1:], None), strict=True):
        part = FilePart(path, start, end)
        try:
            yield part
        finally:
            part.close()


def _one_by_one(path: Path) -> Iterator[FilePart]:
    start: int | None = 0
    while start is not None:
        with path.open("rb") as file:
            file.seek(start)
            splitter = splitter_of(file.read(_HEAD))
        part = FilePart(path, start, None, splitter)
        try:
            yield part
            start = part.find_end()
        finally:
            part.close()
