"""The site's memory: one SQLite file with events, people, their sightings and pictures. It outlives restarts."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from relaytrack.pipeline.errors import OutputError
from relaytrack.pipeline.results.folder import make_folder
from relaytrack.pipeline.server.connections import Connections
from relaytrack.trackers.identities.store_file import file_reason

Place = Literal["run", "identities", "spool"]
"""A run's folder, the association's file, or a file of events that wait for a receiver."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY AUTOINCREMENT, epoch REAL NOT NULL, kind TEXT NOT NULL, camera TEXT NOT NULL,
    identity INTEGER NOT NULL, data TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS events_epoch ON events (epoch);
CREATE TABLE IF NOT EXISTS sightings (
    id INTEGER PRIMARY KEY, run INTEGER NOT NULL, camera TEXT NOT NULL, track INTEGER NOT NULL,
    identity INTEGER NOT NULL, first REAL NOT NULL, last REAL NOT NULL, frames INTEGER NOT NULL,
    quality REAL NOT NULL, picture BLOB, embedding BLOB, UNIQUE (run, camera, track));
CREATE INDEX IF NOT EXISTS sightings_identity ON sightings (identity);
CREATE INDEX IF NOT EXISTS sightings_last ON sightings (last);
CREATE TABLE IF NOT EXISTS former (
    run INTEGER NOT NULL, camera TEXT NOT NULL, track INTEGER NOT NULL, id INTEGER NOT NULL, epoch REAL NOT NULL,
    kind TEXT NOT NULL, score REAL);
CREATE INDEX IF NOT EXISTS former_track ON former (run, camera, track);
CREATE TABLE IF NOT EXISTS people (
    identity INTEGER PRIMARY KEY, name TEXT NOT NULL DEFAULT '', watched INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS forgotten (identity INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS places (kind TEXT NOT NULL, path TEXT NOT NULL, PRIMARY KEY (kind, path));
CREATE TABLE IF NOT EXISTS merged (old INTEGER PRIMARY KEY, new INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS decided (
    kind TEXT NOT NULL, identity INTEGER NOT NULL, other INTEGER NOT NULL, PRIMARY KEY (kind, identity, other));
CREATE TABLE IF NOT EXISTS given (number INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS networks (since REAL NOT NULL, mark BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS logins (
    name TEXT NOT NULL, network TEXT NOT NULL, epoch REAL NOT NULL, PRIMARY KEY (name, network));
"""


class SiteStore:
    """Opens the file; any thread may read, and one at a time writes.

    Args:
        path: the file; made if it is not there, readable by its owner only.

    Raises:
        OutputError: it cannot be opened, or is no such file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connections = Connections(path)
        self._turn = threading.Lock()
        self._writing = threading.local()  # `connection`: of the transaction that this thread is in
        try:
            make_folder(path.parent)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            with self.writing() as database:
                database.executescript(_SCHEMA)
        except OSError as error:
            raise OutputError(f"{path}: {file_reason(error, path)}") from None
        except OutputError:
            self.close()
            raise

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """The rows of a query; inside a transaction of this thread as they are there."""
        known: sqlite3.Connection | None = getattr(self._writing, "connection", None)
        if known is not None:
            return known.execute(query, values).fetchall()
        with self._connections.one() as database:
            return database.execute(query, values).fetchall()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it happens or nothing.

        Raises:
            OutputError: the disk is full, or the file cannot be written.
        """
        with self._turn:
            try:
                with self._connections.one() as database, database:
                    self._writing.connection = database
                    try:
                        yield database
                    finally:
                        self._writing.connection = None
            except sqlite3.Error as error:
                raise OutputError(f"{self.path}: {file_reason(error, self.path)}") from None

    def erase(self) -> None:
        """Leave nothing of deleted rows in the write-ahead log either."""
        with self._turn, self._connections.one() as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def note_place(self, kind: Place, path: Path) -> None:
        """Remember where else this site keeps people.

        Raises:
            OutputError: the disk is full.
        """
        with self.writing() as database:
            database.execute("INSERT OR IGNORE INTO places VALUES (?, ?)", (kind, str(path.resolve())))

    def places(self, kind: Place) -> list[Path]:
        """Those places that are still there."""
        found = [Path(row["path"]) for row in self.rows("SELECT path FROM places WHERE kind = ?", (kind,))]
        return [path for path in found if path.exists()]

    def close(self) -> None:
        """Close every connection."""
        with self._turn:
            self._connections.close()
