"""A text file of whole lines, readable at any moment."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from relaytrack.pipeline.results.folder import open_private, writing


class TextFile:
    """A text file that only ever holds whole lines: each write goes to the operating system in one call."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[Any] = open_private(path, buffering=0)
        self.size = 0

    def write(self, lines: bytes) -> None:
        """Append whole lines.

        Raises:
            OutputError: the disk is full; what did not fit as a whole is taken back.
        """
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

    @property
    def closed(self) -> bool:
        """Whether it is closed."""
        return bool(self._file.closed)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
