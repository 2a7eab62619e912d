"""Text files as people's programs write them: with or without a byte order mark, any line ends."""

from __future__ import annotations

import codecs
import os
import re
from pathlib import Path

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),  # what `>` writes in Windows PowerShell
    (codecs.BOM_UTF16_BE, "utf-16"),
)

NO_TEXT = "not a text file"
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")  # control characters that no text has
_PIECE = 65_536  # bytes


def read_text(path: str | Path, limit: int | None = None) -> str:
    r"""Read a whole text file: UTF-8, or UTF-16 with its mark; line ends become `\n`.

    Args:
        path: the file.
        limit: bytes that it may have at the most.

    Raises:
        OSError: it cannot be read.
        UnicodeDecodeError: it is no text in one of these encodings.
        ValueError: it is longer than `limit`.
    """
    with open(path, "rb") as file:
        data = file.read(_PIECE if limit is None else limit + 1)
        if limit is None and len(data) == _PIECE:
            _check_beginning(data)
            data += file.read()
    if limit is not None and len(data) > limit:
        raise ValueError(f"longer than {limit} bytes")
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    return data.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")


def told_lines(text: str) -> list[tuple[int, str]]:
    """The lines of a table that hold something, with their numbers from 1; those that begin with `#` are left out."""
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip(" \t,;")]
    return [(number, line) for number, line in lines if not line.lstrip().startswith("#")]


def text_fault(error: OSError | ValueError) -> str:
    """What is wrong with a file that `read_text` refused, or that holds no numbers where they are wanted."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if not isinstance(error, UnicodeDecodeError):
        return str(error)
    if _BINARY.search(error.object[:_PIECE]):
        return NO_TEXT
    line = error.object[: error.start].count(b"\n") + 1
    return f"line {line} is not UTF-8 text: save the file as UTF-8"


def _check_beginning(data: bytes) -> None:
    """Refuse what is no text by its beginning, before all of it is read: a film, or a device that never ends.

    Raises:
        UnicodeDecodeError: it is none.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return
    codecs.getincrementaldecoder("utf-8")().decode(data)
    if b"\0" in data:
        place = data.index(b"\0")
        raise UnicodeDecodeError("utf-8", data[: place + 1], place, place + 1, "no text")


def write_text(path: Path, text: str) -> None:
    """Write a whole text file, UTF-8: a reader finds the old content or the new one, never a part.

    Raises:
        OSError: it cannot be written; what was there before stays.
    """
    if path.exists() and not path.is_file():  # a device or a pipe, such as /dev/stdout, cannot be replaced
        path.write_text(text, encoding="utf-8")
        return
    target = path.resolve()  # a link stays a link
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8", newline="")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
