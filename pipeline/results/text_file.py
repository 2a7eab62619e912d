"""A text file of whole lines, readable at any moment."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from relaytrack.pipeline.errors import OutputError
from relaytrack.pipeline.results.folder import open_private, writing

_LOOK = 5.0  # seconds after which it is looked whether the file is still there


class TextFile:
    """A text file that only ever holds whole lines: each write goes to the operating system in one call.

    Args:
        path: the file.
        append: go on behind what is there; a line that was cut off is removed.
    """

    def __init__(self, path: Path, *, append: bool = False) -> None:
        self.path = path
        self._file: IO[Any] = open_private(path, "ab" if append else "wb", buffering=0)
        self.size = 0
        self._look = time.monotonic() + _LOOK
        if append:
            with writing(path):
                self.size = _whole_lines(path)
                self._file.truncate(self.size)

    def write(self, lines: bytes) -> None:
        """Append whole lines.

        Raises:
            OutputError: the disk is full; what did not fit as a whole is taken back. Or the file was deleted or
                moved, so that nobody would ever find what is written.
        """
        if self.is_gone():
            raise OutputError(f"{self.path}: was deleted or moved while the run goes on")
        with writing(self.path):
            try:
                done = 0
                while done < len(lines):
                    done += self._file.write(lines[done:])
                self.size += done
            except OSError:
                with suppress(OSError):
                    self._file.truncate(self.size)
                raise

    def is_gone(self) -> bool:
        """Whether the file was deleted or moved; it is looked every few seconds."""
        now = time.monotonic()
        if now < self._look:
            return False
        self._look = now + _LOOK
        try:
            os.stat(self.path)
        except FileNotFoundError:
            self._look = now  # at once again
            return True
        except OSError:
            return False
        return False

    @property
    def closed(self) -> bool:
        """Whether it is closed."""
        return bool(self._file.closed)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _whole_lines(path: Path) -> int:
    """Bytes of a file up to its last line feed."""
    with open(path, "rb") as file:
        place = file.seek(0, 2)
        while place > 0:
            start = max(0, place - 65536)
            file.seek(start)
            found = file.read(place - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            place = start
    return 0
