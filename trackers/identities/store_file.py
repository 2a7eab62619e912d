"""The SQLite file of a store of identities: its tables, how it is opened, and its errors in our words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

from relaytrack.trackers.errors import TrackerError

VERSION = 1
FEW_PAGES = "PRAGMA cache_size = -512"
"""Keep 512 KiB of a file's pages in memory; SQLite's usual 2,000 fill up over hours of a live run."""
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS runs(run INTEGER PRIMARY KEY, origin REAL NOT NULL);
CREATE TABLE IF NOT EXISTS cameras(name TEXT PRIMARY KEY, count REAL NOT NULL, sum BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS tracks(
    run INTEGER NOT NULL, camera TEXT NOT NULL, track INTEGER NOT NULL, identity INTEGER NOT NULL,
    first REAL NOT NULL, last REAL NOT NULL, frames INTEGER NOT NULL, feature BLOB,
    PRIMARY KEY(run, camera, track)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tracks_identity ON tracks(identity, last);
CREATE TABLE IF NOT EXISTS network(one INTEGER PRIMARY KEY CHECK (one = 1), mark BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS numbers(name TEXT PRIMARY KEY, value INTEGER NOT NULL);
PRAGMA user_version = {VERSION};
"""


class StoreError(TrackerError):
    """The store cannot be opened or written."""


def open_store(path: Path) -> sqlite3.Connection:
    """Open the file; make it, readable by its owner only, where it is missing.

    Any thread may use the connection, one at a time.

    Raises:
        StoreError: not a store of this version, or not writable.
    """
    if "\0" in str(path):
        raise StoreError(f"{str(path)!r}: a path cannot have a null character in it")
    try:
        if str(path) != ":memory:":  # SQLite's name for a store without a file
            path.touch(mode=0o600, exist_ok=True)
        file = sqlite3.connect(path, isolation_level=None, timeout=5.0, check_same_thread=False)
        try:
            _begin(file, path)
        except BaseException:
            file.close()
            raise
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"{path}: cannot be opened as a store of identities ({file_reason(error, path)})") from error
    return file


def _begin(file: sqlite3.Connection, path: Path) -> None:
    version = file.execute("PRAGMA user_version").fetchone()[0]
    if version not in (0, VERSION):
        raise StoreError(f"{path}: identities of version {version}, expected {VERSION}")
    file.execute("PRAGMA journal_mode = WAL")
    file.execute("PRAGMA synchronous = NORMAL")
    file.execute("PRAGMA secure_delete = ON")
    file.execute(FEW_PAGES)
    file.executescript(_SCHEMA)


def file_reason(error: OSError | sqlite3.Error, path: Path) -> str:
    """Why a file could not be opened or written, in the system's words.

    SQLite calls a used-up quota, a lost mount and a broken disk "disk I/O error"; the system is asked what it is.
    """
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if not getattr(error, "sqlite_errorname", "").startswith("SQLITE_IOERR"):
        return str(error)
    try:
        with TemporaryFile(dir=path.parent) as probe:
            probe.write(bytes(1 << 16))
            probe.flush()
    except OSError as system:
        return f"{error}: {system.strerror or system}"
    return str(error)


@contextmanager
def all_or_nothing(file: sqlite3.Connection) -> Iterator[None]:
    """Make one transaction of what is written inside; an error undoes all of it."""
    file.execute("BEGIN IMMEDIATE")
    try:
        yield
        file.execute("COMMIT")
    except BaseException:
        if file.in_transaction:  # a full disk has ended it already
            file.execute("ROLLBACK")
        raise


@contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors inside into `StoreError`, which names the file."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {file_reason(error, path)}") from error
