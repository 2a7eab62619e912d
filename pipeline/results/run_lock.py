"""`.relaytrack.lock`: held by the one live run that writes into a folder, and let go by the system when it ends."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path

from relaytrack.pipeline.errors import OutputError
from relaytrack.pipeline.locked_file import is_taken, make_file
from relaytrack.trackers.identities.store_file import file_reason

LOCK = ".relaytrack.lock"


class RunLock:
    """Held by the one process that writes into a folder; the system lets it go when the process ends.

    It is SQLite's own file lock, since that is the same on every system.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK
        self._held: sqlite3.Connection | None = None

    def acquire(self) -> bool:
        """Take it; False where another one has it.

        Raises:
            OutputError: the folder cannot be written.
        """
        if self._held is not None:
            return True
        try:
            make_file(self._path)
        except OSError as error:
            raise OutputError(f"cannot write {self._path}: {error.strerror}") from None
        found = sqlite3.connect(self._path, timeout=0.0, isolation_level=None, check_same_thread=False)
        try:
            found.execute("PRAGMA journal_mode=MEMORY")
            found.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            found.close()
            if is_taken(error):
                return False
            raise OutputError(f"{self._path}: {file_reason(error, self._path)}") from None
        self._held = found
        return True

    def release(self) -> None:
        """Let it go."""
        if self._held is not None:
            with suppress(sqlite3.Error):
                self._held.close()
            self._held = None


def is_held(folder: Path) -> bool:
    """Whether a live run is writing into a folder.

    Raises:
        OutputError: the folder cannot be written.
    """
    lock = RunLock(folder)
    if not (folder / LOCK).exists():
        return False
    free = lock.acquire()
    lock.release()
    return not free
