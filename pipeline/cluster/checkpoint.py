"""The identity service's memory on disk, and the lease that says who may write it.

One SQLite file in write-ahead mode, readable by its owner only: table `lease` holds the token of the service that
began last, table `state` what it knew at its last checkpoint (`memory.Memory`). A service writes
only while its token is the newest, so one that hung and was replaced can not write over its successor.

The state is a pickle of this program's own objects. Don't put a file of somebody else's in its place.
"""

from __future__ import annotations

import io
import pickle
import sqlite3
from pathlib import Path
from typing import Any

from relaytrack.pipeline.cluster.memory import Memory
from relaytrack.pipeline.errors import OutputError, RelayTrackError
from relaytrack.trackers import IdentityStore
from relaytrack.trackers.identities.store_file import file_reason

_SCHEMA = """
CREATE TABLE IF NOT EXISTS lease(one INTEGER PRIMARY KEY CHECK (one = 1), token INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS state(
    one INTEGER PRIMARY KEY CHECK (one = 1), token INTEGER NOT NULL, data BLOB NOT NULL);
"""
_STORE = "store"


class FencedError(RelayTrackError):
    """Another identity service has begun since; this one must not write any more."""


class Checkpoints:
    """Takes the lease and keeps checkpoints.

    Args:
        path: the file; made where it is missing.

    Attributes:
        token: the number of this lease, higher than all before.

    Raises:
        OutputError: the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch(mode=0o600, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None, timeout=5.0, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute("PRAGMA secure_delete = ON")  # who is forgotten leaves nothing in the file
            self._db.executescript(_SCHEMA)
            self._db.execute("INSERT INTO lease VALUES (1, 1) ON CONFLICT(one) DO UPDATE SET token = token + 1")
            self.token = int(self._db.execute("SELECT token FROM lease").fetchone()[0])
        except (OSError, sqlite3.Error) as error:
            why = file_reason(error, path)
            raise OutputError(f"{path}: the identities' checkpoint cannot be opened ({why})") from error

    def read(self, store: IdentityStore | None) -> Memory | None:
        """The last checkpoint, None where there is none; `store` takes the place of the one it was made with.

        Raises:
            OutputError: it cannot be read.
        """
        try:
            row = self._db.execute("SELECT data FROM state").fetchone()
            found = None if row is None else _Reader(row[0], store).load()
        except (sqlite3.Error, pickle.UnpicklingError, ValueError, EOFError, AttributeError, ImportError) as error:
            raise OutputError(f"{self.path}: the identities' checkpoint cannot be read ({error})") from error
        if not isinstance(found, Memory | None):
            raise OutputError(f"{self.path}: no checkpoint of identities")
        return found

    def write(self, memory: Memory) -> int:
        """Keep what is known, and return how many bytes it has.

        Raises:
            FencedError: another service holds the lease now.
            OutputError: the file cannot be written.
        """
        out = io.BytesIO()
        _Writer(out, pickle.HIGHEST_PROTOCOL).dump(memory)
        data = out.getvalue()
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                if self._db.execute("SELECT token FROM lease").fetchone()[0] != self.token:
                    raise FencedError(f"{self.path}: another identity service has taken over")
                self._db.execute("INSERT OR REPLACE INTO state VALUES (1, ?, ?)", (self.token, data))
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # a full disk has ended it already
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()  # nor in the one beside it
        except sqlite3.Error as error:
            raise OutputError(
                f"{self.path}: the identities' checkpoint cannot be written ({file_reason(error, self.path)})"
            ) from error
        return len(data)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def remove(self) -> None:
        """Close and delete the file: the run has ended well."""
        self.close()
        for end in ("", "-wal", "-shm"):
            Path(f"{self.path}{end}").unlink(missing_ok=True)


class _Writer(pickle.Pickler):
    """Leaves the store of identities out; it has a file of its own."""

    def persistent_id(self, value: Any) -> str | None:
        return _STORE if isinstance(value, IdentityStore) else None


class _Reader(pickle.Unpickler):
    """Puts the present store in."""

    def __init__(self, data: bytes, store: IdentityStore | None) -> None:
        super().__init__(io.BytesIO(data))
        self._store = store

    def persistent_load(self, name: Any) -> Any:
        if name != _STORE:
            raise pickle.UnpicklingError(f"unknown part {name!r}")
        return self._store
