"""A run's output folder belongs to it alone, and is free again when the run did not begin."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from pathlib import Path

from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.errors import OutputError
from relaytrack.pipeline.results.folder import MARKER, prepare_output, remove_run, store_files
from relaytrack.pipeline.results.run_file import RUN_FILE
from relaytrack.pipeline.results.run_lock import RunLock


def remove_unused(folder: Path, *, whole: bool, made: str | None, kept: str | None) -> None:
    """Empty the folder of a run that did not begin (no camera could be opened), so that it can be used again.

    Args:
        folder: the run's.
        whole: remove the folder, too, if nothing else is in it.
        made: the store of identities that this start has made.
        kept: the one that was there before.
    """
    if (folder / MARKER).exists() and not (folder / RUN_FILE).exists():
        for path in store_files(made):
            with suppress(OSError):
                path.unlink(missing_ok=True)
        with suppress(OutputError):
            remove_run(folder, whole=whole, store=kept)


def begun(config: Config, given: Config, closing: ExitStack) -> RunLock:
    """Make the output folder before the store of identities, which lies in it, and make this run its only writer.

    Args:
        config: the run's configuration, with the store.
        given: as it was given.
        closing: told of what is to be done in the end, also where the run does not begin.

    Raises:
        OutputError: the folder must not be written to, or another run does.
    """
    there = config.output.folder.exists()
    store = config.output.store if holds_store(config) else None
    known = store is not None and Path(store).exists()
    lock = locked(prepare_output(given), closing)
    if not config.output.resume:
        made, kept = (None, store) if known else (store, None)
        closing.callback(remove_unused, config.output.folder, whole=not there, made=made, kept=kept)
    return lock


def holds_store(config: Config) -> bool:
    """Whether the store of identities lies in the output folder itself."""
    output = config.output
    if output.dir is None or output.store is None:
        return False
    return Path(output.store).absolute().parent == output.folder.absolute()


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
