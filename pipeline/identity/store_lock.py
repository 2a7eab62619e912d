"""The lock of a store of identities (`output.store`): one run writes it at a time, and says who it is."""

from __future__ import annotations

import json
import logging
import os
import socket
import sqlite3
import time
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from relaytrack.pipeline.dates import shown
from relaytrack.pipeline.errors import ConfigError, OutputError
from relaytrack.pipeline.locked_file import file_number, is_taken, make_file
from relaytrack.trackers.identities.store_file import file_reason

LOG = logging.getLogger("relaytrack.identities")
END = "-lock"
"""What the lock's file has behind the store's name."""
_BUSY = 0.2  # seconds that a look of another program at the file may take
_TRIES = 20  # another program may make or remove the file at the same moment


@dataclass(frozen=True, slots=True)
class Holder:
    """Who writes a store.

    Attributes:
        pid, host: the process and its machine.
        since: seconds since 1970.
        run: a text that tells one run from others; a cluster's identity service that is started anew has the same.
    """

    pid: int
    host: str
    since: float
    run: str = ""

    def __str__(self) -> str:
        """In words."""
        there = "" if self.host == socket.gethostname() else f" on {self.host}"
        return f"process {self.pid}{there}, since {shown(self.since)}"


class StoreLock:
    """Held by the one run that writes a store; the system lets it go when the process ends.

    It is a file beside the store that SQLite locks, since that is the same on every system. Who only reads the store,
    or corrects it from the command line, needs no lock. Where the file cannot be made or locked, as on some network
    file systems, the run goes on without and says so.

    Args:
        store: the store's file; its folder is there.
        run: a text that tells this run from others; a later process of the same run may take the store over, with ""
            none may.
    """

    def __init__(self, store: Path | str, run: str = "") -> None:
        self._store = Path(store)
        self._path = lock_path(store)
        self._me = Holder(os.getpid(), socket.gethostname(), time.time(), run)
        self._held: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None  # device and number of the file that is locked

    def acquire(self, patience: float = 0.0) -> None:
        """Take it.

        Args:
            patience: seconds to wait for another one to let it go. After them the lock of the same run (`run`) is
                taken over: its process hangs.

        Raises:
            ConfigError: another run writes the store.
        """
        if str(self._store) == ":memory:":
            return
        until = time.monotonic() + patience
        try:
            while not self._take():
                if time.monotonic() < until:
                    time.sleep(0.05)
                    continue
                holder = _holder(self._path)
                if not self._me.run or holder is None or holder.run != self._me.run:
                    raise _refused(self._store, holder)
                LOG.warning("%s is taken over from a process that does not answer (%s)", self._store, holder)
                self._path.unlink(missing_ok=True)  # it keeps the lock of a file that nobody sees any more
        except (OSError, sqlite3.Error) as error:
            why = file_reason(error, self._path)
            LOG.warning("%s cannot be locked (%s): take care that no other run writes it", self._store, why)

    def check(self) -> None:
        """Nothing, where the store was not taken over (see `acquire`).

        Raises:
            OutputError: it was; this process hung, and must not write it any more.
        """
        if self._held is not None and self._me.run and file_number(self._path) not in (self._file, None):
            raise OutputError(f"{self._store}: another process has taken this run's store over")

    def release(self) -> None:
        """Let it go, and remove the file."""
        if self._held is None:
            return
        with suppress(OSError):
            if file_number(self._path) == self._file:
                self._path.unlink()
        with suppress(sqlite3.Error):
            self._held.close()
        self._held = None

    def _take(self) -> bool:
        """Lock the file and write into it who does; False where another one has it.

        Raises:
            OSError, sqlite3.Error: it cannot be locked here.
        """
        for _ in range(_TRIES):
            make_file(self._path)
            number = file_number(self._path)
            database = sqlite3.connect(self._path, timeout=_BUSY, isolation_level=None, check_same_thread=False)
            try:
                ours = self._mark(database) and file_number(self._path) == number
            except BaseException as error:
                database.close()
                if is_taken(error):
                    return False
                raise
            if ours:
                self._held, self._file = database, number
                return True
            database.close()  # its last holder removed it, or another one wrote in between
        return False

    def _mark(self, database: sqlite3.Connection) -> bool:
        """Write who we are, then hold the lock in which others can read it; False where another one was faster."""
        database.execute("BEGIN IMMEDIATE")
        me = json.dumps(asdict(self._me))
        database.execute("CREATE TABLE IF NOT EXISTS holder(one INTEGER PRIMARY KEY CHECK (one = 1), told TEXT)")
        database.execute("INSERT OR REPLACE INTO holder VALUES (1, ?)", (me,))
        database.execute("COMMIT")
        database.execute("BEGIN IMMEDIATE")
        return bool(database.execute("SELECT told FROM holder").fetchone() == (me,))


def lock_path(store: Path | str) -> Path:
    """The lock's file: beside the store itself, also where `store` is a link to it."""
    real = Path(os.path.realpath(store))
    return real.with_name(real.name + END)


def need_free(store: Path | str | None, patience: float = 0.0) -> None:
    """Nothing, where no run writes a store now; it is looked at before the time that networks take to load.

    Args:
        store: its file; None for no store.
        patience: seconds in which the one who writes it may end.

    Raises:
        ConfigError: another run writes it.
    """
    until = time.monotonic() + patience
    while store is not None and _is_locked(lock_path(store)):
        if time.monotonic() >= until:
            raise _refused(Path(store), _holder(lock_path(store)))
        time.sleep(0.05)


def _is_locked(path: Path) -> bool:
    if not path.exists():
        return False
    try:
        with closing(_existing(path)) as database:
            database.execute("BEGIN IMMEDIATE")
    except sqlite3.Error as error:
        return is_taken(error)
    return False


def _refused(store: Path, holder: Holder | None) -> ConfigError:
    who = "" if holder is None else f" ({holder})"
    return ConfigError(f"output.store {store}: another run writes it{who}; end that one, or choose another file")


def _holder(path: Path) -> Holder | None:
    """Who wrote into a lock's file; None where it tells nothing."""
    try:
        with closing(_existing(path)) as database:
            row = database.execute("SELECT told FROM holder").fetchone()
        return None if row is None else Holder(**json.loads(row[0]))
    except (sqlite3.Error, ValueError, TypeError):
        return None


def _existing(path: Path) -> sqlite3.Connection:
    """The file opened, if it is there; it is not made."""
    return sqlite3.connect(f"{path.as_uri()}?mode=rw", timeout=_BUSY, isolation_level=None, uri=True)
