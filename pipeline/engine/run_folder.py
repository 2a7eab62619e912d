"""A run's output folder belongs to it alone, and is free again when the run did not begin."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from pathlib import Path

from relaytrack.pipeline.errors import OutputError
from relaytrack.pipeline.results.folder import MARKER, remove_run
from relaytrack.pipeline.results.run_info import NAME as RUN_INFO
from relaytrack.pipeline.results.run_lock import RunLock


def remove_unused(folder: Path, *, whole: bool) -> None:
    """Empty the folder of a run that did not begin (no camera could be opened), so that it can be used again."""
    if (folder / MARKER).exists() and not (folder / RUN_INFO).exists():
        with suppress(OutputError):
            remove_run(folder, whole=whole)


def locked(folder: Path, closing: ExitStack) -> RunLock:
    """Make this run the only one that writes into a folder.

    Raises:
        OutputError: another one does.
    """
    lock = RunLock(folder)
    closing.callback(lock.release)
    if not lock.acquire():
        raise OutputError(f"output folder {folder}: another run is writing into it")
    return lock
