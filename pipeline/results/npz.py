"""Reads .npz files of any origin: a damaged one, or one that would unpack to too much, is an error at once."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

_SMALL = 256 * 2**20  # bytes that any file may hold unpacked
_TIMES = 30  # or this many times its own size: arrays of measurements shrink by less

DAMAGED = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    AttributeError,
    TypeError,
    MemoryError,
    NotImplementedError,  # zip methods and versions that nobody uses
    RuntimeError,  # an encrypted member
    SyntaxError,  # in an array's header
    zipfile.BadZipFile,
    zlib.error,
)
"""What reading a damaged .npz may raise."""


class NotArraysError(ValueError):
    """No .npz, a damaged one, or one that would take too much memory; the text says which, without the path."""


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read all arrays of a .npz file.

    Raises:
        FileNotFoundError: no such file.
        NotArraysError: see there.
    """
    if path.exists() and not path.is_file():
        raise NotArraysError("no file, but a folder, a pipe or a device")
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            _check_sizes(archive, path.stat().st_size)
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (FileNotFoundError, NotArraysError):
        raise
    except DAMAGED as error:
        raise NotArraysError("no .npz file, or a damaged one") from error


def _check_sizes(archive: zipfile.ZipFile, size: int) -> None:
    """Compare what the members say they hold with the file's size, and arrays' shapes with their members."""
    most = max(_SMALL, _TIMES * size)
    members = archive.infolist()
    total = sum(member.file_size for member in members)
    if total > most:
        raise NotArraysError(f"a file of {size:,} bytes that unpacks to {total:,} bytes")
    for member in members:
        if not member.filename.endswith(".npy"):
            continue
        with archive.open(member) as stream:
            version = npy.read_magic(stream)
            read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, _, kind = read(stream)
            bytes_needed = kind.itemsize
            for length in shape:
                bytes_needed *= length
        if bytes_needed > member.file_size:
            raise NotArraysError(f"the array {member.filename} is said to be larger than what is there")
