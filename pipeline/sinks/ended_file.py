"""The file in which a run's ended tracks lie, instead of in memory.

It is a SQLite file of the output folder that has no name any more once it is open: nobody else can read it, and it
vanishes with the process, however that ends.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from relaytrack.pipeline.errors import OutputError
from relaytrack.pipeline.results.folder import open_private, writing
from relaytrack.trackers.identities.store_file import FEW_PAGES, file_reason

NAME = "tracks.db"
_SCHEMA = f"""
PRAGMA journal_mode = MEMORY;
PRAGMA synchronous = OFF;
PRAGMA secure_delete = ON;
PRAGMA temp_store = MEMORY;
{FEW_PAGES};
CREATE TABLE tracks(
    place INTEGER PRIMARY KEY, camera TEXT, track INTEGER, identity INTEGER, first REAL, last REAL, shown INTEGER,
    record TEXT, UNIQUE(camera, track));
CREATE INDEX tracks_identity ON tracks(identity, first, camera, track);
CREATE INDEX tracks_shown ON tracks(last, place) WHERE shown;
CREATE TABLE embeddings(place INTEGER PRIMARY KEY, sum BLOB);
"""


class EndedFile:
    """The tables `tracks` and `embeddings`; made at the first use.

    Args:
        folder: the output folder.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._file: sqlite3.Connection | None = None

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Gives the open file, and takes back what was half done when something fails.

        Raises:
            OutputError: it cannot be opened, read or written.
        """
        try:
            if self._file is None:
                self._file = self._opened()
            yield self._file
        except BaseException as error:
            if self._file is not None and self._file.in_transaction:
                self._file.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise OutputError(f"cannot write {self._path}: {file_reason(error, self._path)}") from error
            raise

    def close(self) -> None:
        """Let go of the file, and of what it held; the next use makes a new one."""
        if self._file is not None:
            self._file.close()
        self._file = None

    def _opened(self) -> sqlite3.Connection:
        open_private(self._path).close()
        try:
            file = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            try:
                file.executescript(_SCHEMA)
            except sqlite3.Error:
                file.close()
                raise
            return file
        finally:
            with writing(self._path, "remove the name of"):
                os.unlink(self._path)
