"""PNG files that say what a test wants of their size."""

from __future__ import annotations

import struct
import zlib


def png(width: int, height: int, content: bytes) -> bytes:
    """A colour picture whose header says this size, with any content, before it is compressed."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(content)) + chunk(b"IEND", b"")
