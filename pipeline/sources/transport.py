"""Where an MPEG transport stream becomes another recording: its table of programs names other video (ISO/IEC 13818-1).

Recorders and `cat` put streams one behind the other. FFmpeg reads on, but only what it found at the beginning: video
under another number (PID) or of another codec is left out without a word.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

_SYNC = 0x47
_PACKET = 188  # bytes
_SIZES = (188, 192, 204)  # plain, with a time stamp in front (Blu-ray, AVCHD), with check bytes behind
_CHECKED = 5  # packets in a row that show the size
_VIDEO = {0x01, 0x02, 0x10, 0x1B, 0x20, 0x24, 0x33, 0x42, 0xD1, 0xEA}  # types of streams that are video
_PROGRAMS, _STREAMS = 0x00, 0x02  # ids of the two tables

Video = frozenset[tuple[int, int]]
"""The video of all programs: (PID, type)."""


def packet_size(data: bytes) -> int | None:
    """The size of the packets of a transport stream by its first bytes, None where it is none."""
    for size in _SIZES:
        lead = size - _PACKET if size == 192 else 0
        if len(data) >= lead + _CHECKED * size and all(data[lead + n * size] == _SYNC for n in range(_CHECKED)):
            return size
    return None


@dataclass(slots=True)
class _Table:
    """The sections of one PID: the one that is being put together, where it began, and the last one that was read."""

    begun: bytes = b""
    at: int = 0
    read: bytes = b""


@dataclass(slots=True)
class TransportSplitter:
    """Looks for the place where other video begins; fed with the whole stream, piece by piece.

    Args:
        size: of a packet, see `packet_size`.

    Attributes:
        video: what video the programs have; None before their tables came.
    """

    size: int
    video: Video | None = field(default=None, init=False)
    _rest: bytes = b""
    _rest_at: int = 0
    _tables: dict[int, _Table] = field(default_factory=lambda: {0: _Table()})
    _programs: dict[int, int] = field(default_factory=dict)  # number to the PID of its table
    _streams: dict[int, Video] = field(default_factory=dict)  # PID of a program's table to its video
    _programs_at: int = 0  # where the last table of programs began

    def feed(self, at: int, data: bytes) -> int | None:
        """Look through the bytes that follow the last ones.

        Args:
            at: where they begin, in bytes.
            data: the bytes.

        Returns:
            Where another recording begins, in bytes; None where none does. It is not to be fed after that.
        """
        if not self._rest:
            self._rest_at = at
        data, at = self._rest + data, self._rest_at
        lead = self.size - _PACKET if self.size == 192 else 0
        begin = 0
        while len(data) - begin >= self.size:
            count = (len(data) - begin) // self.size
            packets = np.frombuffer(data, np.uint8, count * self.size, begin).reshape(count, self.size)[:, lead:]
            lost = np.flatnonzero(packets[:, 0] != _SYNC)
            whole = int(lost[0]) if len(lost) else count
            found = self._look(packets[:whole], at + begin)
            if found is not None:
                return found
            begin += whole * self.size
            if len(lost):
                begin = self._next_packet(data, begin + 1, lead)
        self._rest, self._rest_at = data[begin:], at + begin
        return None

    def _next_packet(self, data: bytes, begin: int, lead: int) -> int:
        """Where packets go on behind a damaged place; the end where they do not."""
        place = data.find(_SYNC, begin + lead)
        while place >= 0:
            if all(data[place + n * self.size] == _SYNC for n in (1, 2) if place + n * self.size < len(data)):
                return place - lead
            place = data.find(_SYNC, place + 1)
        return len(data)

    def _look(self, packets: NDArray[np.uint8], at: int) -> int | None:
        if not len(packets):
            return None
        pids = (packets[:, 1].astype(np.int64) & 0x1F) << 8 | packets[:, 2]
        number = 0
        while number < len(pids):
            later = np.flatnonzero(np.isin(pids[number:], list(self._tables)))
            if not len(later):
                return None
            number += int(later[0])
            pid = int(pids[number])
            section = self._section(pid, packets[number].tobytes()[:_PACKET], at + number * self.size)
            if section is not None and self._take(pid, section):
                return self._programs_at
            number += 1
        return None

    def _section(self, pid: int, packet: bytes, at: int) -> bytes | None:
        """A section that ends with this packet and that is new, else None."""
        table, begin = self._tables[pid], 4
        if packet[3] & 0x20:  # other fields come first
            begin += 1 + packet[4]
        if not packet[3] & 0x10 or begin >= _PACKET:
            return None
        if packet[1] & 0x40:
            begin += 1 + packet[begin]
            table.begun, table.at = packet[begin:], at
        elif table.begun:
            table.begun += packet[begin:]
        if len(table.begun) < 3 or packet[1] & 0x80:
            return None
        length = 3 + (int.from_bytes(table.begun[1:3], "big") & 0xFFF)
        if len(table.begun) < length:
            return None
        section, table.begun = table.begun[:length], b""
        if pid == 0:
            self._programs_at = table.at
        if section == table.read or length < 12 or _checksum(section):
            return None
        table.read = section
        return section if section[5] & 1 else None  # else it tells what comes later

    def _take(self, pid: int, section: bytes) -> bool:
        """Take a table; whether the video is another one than before."""
        if pid == 0 and section[0] == _PROGRAMS:
            entries = [section[n : n + 4] for n in range(8, len(section) - 4, 4)]
            self._programs = {
                int.from_bytes(entry[:2], "big"): int.from_bytes(entry[2:], "big") & 0x1FFF
                for entry in entries
                if entry[:2] != b"\0\0"
            }
            known = {pid: self._tables.get(pid, _Table()) for pid in self._programs.values()}
            self._tables = {0: self._tables[0], **known}
            self._streams = {pid: video for pid, video in self._streams.items() if pid in known}
        elif pid and section[0] == _STREAMS:
            self._streams[pid] = _video_in(section)
        if not self._programs or set(self._programs.values()) - set(self._streams):
            return False
        video = frozenset().union(*self._streams.values())
        before, self.video = self.video, video or self.video
        return bool(before) and bool(video) and video != before


def _video_in(section: bytes) -> Video:
    found, at = [], 12 + (int.from_bytes(section[10:12], "big") & 0xFFF)
    while at + 5 <= len(section) - 4:
        if section[at] in _VIDEO:
            found.append((int.from_bytes(section[at + 1 : at + 3], "big") & 0x1FFF, section[at]))
        at += 5 + (int.from_bytes(section[at + 3 : at + 5], "big") & 0xFFF)
    return frozenset(found)


@cache
def _checksum_steps() -> tuple[int, ...]:
    steps = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = (value << 1) ^ (0x04C11DB7 if value & 0x80000000 else 0)
        steps.append(value & 0xFFFFFFFF)
    return tuple(steps)


def _checksum(section: bytes) -> int:
    """The check sum of a section with its own check bytes: 0 where it is undamaged."""
    value, steps = 0xFFFFFFFF, _checksum_steps()
    for byte in section:
        value = (value << 8 & 0xFFFFFFFF) ^ steps[value >> 24 ^ byte]
    return value
