"""Connections to a SQLite file, shared by all threads and each used by one at a time.

A server's threads come and go with its requests. A connection per thread would leave one behind with each of them.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

KEPT = 4
"""Connections that stay open while nobody uses them."""


class Connections:
    """Gives out connections to a file; any number of threads may use it.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._closed = False

    @contextmanager
    def one(self) -> Iterator[sqlite3.Connection]:
        """A connection that nobody else uses until the end of the block.

        Raises:
            sqlite3.Error: the file cannot be opened.
        """
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            connection = self._opened()
        try:
            yield connection
        finally:
            with self._lock:
                kept = not self._closed and len(self._idle) < KEPT
                if kept:
                    self._idle.append(connection)
            if not kept:
                connection.close()

    def close(self) -> None:
        """Close all connections, those in use as soon as their block ends."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def __del__(self) -> None:
        """Close what is open where nobody called `close`."""
        self.close()

    def _opened(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=10.0, check_same_thread=False)
        try:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute("PRAGMA secure_delete=ON")  # who is forgotten leaves nothing in the file
        except sqlite3.Error:
            connection.close()
            raise
        return connection
