"""A recorded file as it is handed out in parts, wherever it lies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_PIECE = 64_000  # bytes that are read at once


class RecordedFile(Protocol):
    """A file that can be read in parts."""

    @property
    def size(self) -> int:
        """Its bytes so far."""

    def read(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes from `start` to before `end`, piece by piece."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file of this machine."""

    path: Path

    @property
    def size(self) -> int:
        """Its bytes so far."""
        return self.path.stat().st_size

    def read(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes from `start` to before `end`, piece by piece."""
        with open(self.path, "rb") as file:
            file.seek(start)
            while start < end and (data := file.read(min(_PIECE, end - start))):
                start += len(data)
                yield data
