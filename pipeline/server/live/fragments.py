"""Pictures -> H.264 in fragmented mp4, piece by piece, for a browser's Media Source Extensions."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import Any

import av

from relaytrack.pipeline.records import Image
from relaytrack.pipeline.render.h264 import CLOCK, Ticks, add_stream, frame_of

_FLAGS = "empty_moov+default_base_moof+frag_every_frame"
KEY_EVERY = 1.0
"""Seconds between key frames at the most: a viewer who comes late or was slow begins there."""


@dataclass(frozen=True, slots=True)
class Fragment:
    """One picture as a piece of mp4 (moof, mdat).

    Attributes:
        data: the bytes; key: whether it is a key frame; epoch: seconds since 1970 of the picture.
    """

    data: bytes
    key: bool
    epoch: float


class FragmentEncoder:
    """Encodes one camera; every picture is out at once.

    The first bytes (ftyp, moov) come from FFmpeg. The fragments are written here (ISO/IEC 14496-12, 8.8), since
    FFmpeg writes one only when the next picture is there, which would be one picture late.

    Attributes:
        init: the first bytes of the video (ftyp, moov), None before the first picture.
        codec: as browsers name it, such as "avc1.4D401E".
    """

    def __init__(self, *, crf: int = 24, preset: str = "superfast") -> None:
        self.init: bytes | None = None
        self.codec = ""
        self._options = {"crf": str(crf), "preset": preset, "tune": "zerolatency", "profile": "main"}
        self._output = io.BytesIO()
        self._container = av.open(self._output, "w", format="mp4", container_options={"movflags": _FLAGS})
        self._stream: av.VideoStream | None = None
        self._size: tuple[int, int] | None = None
        self._key_at = 0.0
        self._number = 0
        self._ticks = Ticks()
        self._key_wanted = False

    def fits(self, image: Image) -> bool:
        """Whether a picture has the size of the others."""
        return self._size is None or self._size == (image.shape[1], image.shape[0])

    def want_key(self) -> None:
        """Make the next picture a key frame: somebody new looks."""
        self._key_wanted = True

    def encode(self, image: Image, moment: float, epoch: float) -> list[Fragment]:
        """Encode a picture of (H, W, 3) uint8 RGB.

        Args:
            image: the picture, of the first one's size.
            moment: seconds that only grow.
            epoch: seconds since 1970.
        """
        if self._stream is None:
            self._size, self._key_at = (image.shape[1], image.shape[0]), moment
            self._stream = add_stream(self._container, self._size, self._options)
        key = moment >= self._key_at or self._key_wanted
        if key:
            self._key_at, self._key_wanted = moment + KEY_EVERY, False
        frame = frame_of(image, self._ticks.at(moment), key=key)
        # a little longer than the usual interval: a picture that comes late leaves no gap in which a player stops
        lasts = round(min(1.5 * self._ticks.usual(CLOCK / 10), 2.0 * CLOCK))
        return [self._fragment(packet, lasts, epoch) for packet in self._stream.encode(frame)]

    def _fragment(self, packet: Any, lasts: int, epoch: float) -> Fragment:
        data, key, tick = bytes(packet), bool(packet.is_keyframe), packet.pts or 0
        if self.init is None:
            self._container.mux(packet)
            written = self._output.getvalue()
            end = written.find(b"moof") - 4
            self.init = written[:end] if end >= 0 else written
            self.codec = _codec(self.init)
        self._number += 1
        return Fragment(_fragment(_length_prefixed(data), self._number, tick, lasts, key=key), key, epoch)

    def close(self) -> None:
        """End the video."""
        if self._stream is not None:
            self._container.close()


def _codec(init: bytes) -> str:
    """The codec's name from the avcC box: profile, constraints and level, hexadecimal."""
    place = init.find(b"avcC")
    return "avc1." + init[place + 5 : place + 8].hex().upper() if place >= 0 else "avc1.4D401E"


def _length_prefixed(data: bytes) -> bytes:
    """H.264 with start codes (Annex B) as it stands in mp4: each unit after its length in four bytes."""
    if not data.startswith((b"\0\0\1", b"\0\0\0\1")):
        return data
    units = [unit.rstrip(b"\0") for unit in data.split(b"\0\0\1")]
    return b"".join(struct.pack(">I", len(unit)) + unit for unit in units if unit)


def _fragment(sample: bytes, number: int, tick: int, lasts: int, *, key: bool) -> bytes:
    """One sample as moof and mdat; `tick` and `lasts` in the track's clock of 90 kHz."""
    flags = 0x02000000 if key else 0x01010000  # depends on no other; depends on others and is no key frame
    head = _box(b"mfhd", struct.pack(">II", 0, number))
    track = _box(b"tfhd", struct.pack(">II", 0x020000, 1))  # offsets count from the moof
    time = _box(b"tfdt", struct.pack(">IQ", 1 << 24, tick))
    run = struct.pack(">IIIIII", 0x000701, 1, 0, lasts, len(sample), flags)
    size = 8 + len(head) + 8 + len(track) + len(time) + 8 + len(run)
    run = struct.pack(">IIIIII", 0x000701, 1, size + 8, lasts, len(sample), flags)
    return _box(b"moof", head + _box(b"traf", track + time + _box(b"trun", run))) + _box(b"mdat", sample)


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content
