"""Files that SQLite locks, which is the same on every system: what the locks of runs and of stores share."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path


def make_file(path: Path) -> None:
    """Make a lock's file where it is not there; only the owner can read it.

    One that is there is not touched: to open and close a file gives up all locks that this process has on it.

    Raises:
        OSError: it cannot be made.
    """
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def file_number(path: Path) -> tuple[int, int] | None:
    """Device and number of a file, by which one of the same name is told from it; None where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def is_taken(error: BaseException) -> bool:
    """Whether SQLite could not lock a file because somebody else has."""
    return isinstance(error, sqlite3.Error) and "locked" in str(error)
