"""What tells a recording from another one when its videos are drawn anew, minutes or months after the run.

Boxes belong to the pictures in which they were found. A file that was replaced, a recorder's ring of files that went
on, or a folder in which pictures were exchanged shows other moments under the same frame numbers.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from relaytrack.pipeline.sources.base import ReadError
from relaytrack.pipeline.sources.images import ImageFolderReader

Footage = dict[str, int | str]
"""Of a file: `bytes` and `crc`, of its first and last bytes. Of a folder: `pictures` and `crc`, of names and sizes."""

_PIECE = 1 << 16  # bytes at both ends of a file
_LOOKED_AT = 64  # pictures of a folder whose size is looked at


def footage(path: Path, like: Mapping[str, Any] | None = None) -> Footage | None:
    """What tells a file or a folder of pictures from another one; None where it cannot be read.

    Args:
        path: the file or folder.
        like: what was found earlier. As much of the recording is looked at as there was then: one that has grown
            since gives the same.
    """
    try:
        return _of_folder(path, like) if path.is_dir() else _of_file(path, like)
    except (OSError, ReadError):
        return None


def _of_file(path: Path, like: Mapping[str, Any] | None) -> Footage:
    size = path.stat().st_size
    if like is not None:
        size = min(size, _number(like, "bytes", size))
    with path.open("rb") as file:
        crc = zlib.crc32(file.read(min(size, _PIECE)))
        file.seek(max(0, size - _PIECE))
        crc = zlib.crc32(file.read(min(size, _PIECE)), crc)
    return {"bytes": size, "crc": f"{crc:08x}"}


def _of_folder(path: Path, like: Mapping[str, Any] | None) -> Footage:
    reader = ImageFolderReader(path)
    reader.open()
    files: Sequence[Path] = reader.files
    if like is not None:
        files = files[: _number(like, "pictures", len(files))]
    crc = zlib.crc32("\0".join(file.name for file in files).encode(errors="surrogateescape"))
    every = max(1, -(-len(files) // _LOOKED_AT))
    sizes = [os.stat(file).st_size for file in files[::every]]
    return {"pictures": len(files), "crc": f"{zlib.crc32(repr(sizes).encode(), crc):08x}"}


def _number(like: Mapping[str, Any], key: str, otherwise: int) -> int:
    """A number of what was found earlier; of a file that was edited by hand it may be anything."""
    found = like.get(key)
    return found if isinstance(found, int) and found > 0 else otherwise
