"""One correction of a finished run at a time: two that overlap would each write what the other one has changed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from relaytrack.pipeline.errors import OutputError
from relaytrack.pipeline.locked_file import file_number
from relaytrack.pipeline.results.run_lock import LOCK, RunLock

_PATIENCE = 10.0  # seconds that another one is waited for
_POLL = 0.1
_held: dict[Path, int] = {}  # folders, and the thread that is alone there


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Be the only one who writes into a run's folder; within the block the same thread may ask again.

    Raises:
        OutputError: a run or another correction is at work there, also after ten seconds; or the folder cannot be
            written.
    """
    home = folder.resolve()
    if _held.get(home) == threading.get_ident():
        yield
        return
    lock, mine = _taken(folder)
    _held[home] = threading.get_ident()
    try:
        yield
    finally:
        del _held[home]
        if mine:
            with suppress(OSError):  # while it is held: whoever waits for it looks whether it is the same file
                (folder / LOCK).unlink()
        lock.release()


def _taken(folder: Path) -> tuple[RunLock, bool]:
    """The lock of a folder, and whether its file was made for it."""
    until = time.monotonic() + _PATIENCE
    lock = RunLock(folder)
    while True:
        before = file_number(folder / LOCK)
        if lock.acquire():
            if before in (None, file_number(folder / LOCK)):
                return lock, before is None
            lock.release()  # the file was removed by who had it
        elif time.monotonic() > until:
            raise OutputError(f"{folder}: a run or another correction is at work there; try again when it is done")
        else:
            time.sleep(_POLL)
