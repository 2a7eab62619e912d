"""A look at the outermost boxes of an mp4 file (ISO/IEC 14496-12, section 4.2): is it all there?"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

_FIRST_BOXES = {b"ftyp", b"styp", b"moov", b"mdat", b"free", b"skip", b"wide", b"moof", b"sidx"}


@dataclass(frozen=True, slots=True)
class Mp4Layout:
    """What the outermost boxes say.

    Attributes:
        indexed: the box that says where the frames are (`moov`) is complete.
        missing_bytes: how many bytes the last box reaches beyond the end of the file; 0 in a complete file.
        starts: where recordings begin, bytes: 0, and more where several were joined in one file.
    """

    indexed: bool
    missing_bytes: int
    starts: tuple[int, ...] = (0,)


def read_layout(path: Path) -> Mp4Layout | None:
    """Walk over the outermost boxes of a file; None where it is no mp4 (or mov, m4v) at all.

    Raises:
        OSError: the file cannot be read.
    """
    size = path.stat().st_size
    indexed, missing, at, starts = False, 0, 0, [0]
    with path.open("rb") as file:
        while at < size:
            file.seek(at)
            header = file.read(16)
            if at == 0 and header[4:8] not in _FIRST_BOXES:
                return None
            if len(header) < 8:
                missing = 8 - len(header)
                break
            length = struct.unpack(">I", header[:4])[0]
            if length == 1 and len(header) == 16:
                length = struct.unpack(">Q", header[8:])[0]
            elif length == 0:
                length = size - at  # reaches to the end of the file, by the standard
            if length < 8:
                break  # not a box: leave the verdict to the decoder
            missing = max(0, at + length - size)
            if header[4:8] == b"ftyp" and at:
                starts.append(at)
            indexed = indexed or (header[4:8] == b"moov" and not missing)
            at += length
    return Mp4Layout(indexed, missing, tuple(starts))
