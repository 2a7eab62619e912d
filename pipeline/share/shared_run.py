"""Results at a shared place for the commands that work on a run's folder: `search`, `merge`, `split`, `forget`."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from relaytrack.pipeline.errors import InputError, OutputError, RelayTrackError
from relaytrack.pipeline.results.folder import MARKER
from relaytrack.pipeline.results.run_file import known_of_run
from relaytrack.pipeline.share.mirror import Mirror
from relaytrack.pipeline.share.notes import ShareNotes
from relaytrack.pipeline.share.places import SharedPlace, is_address, open_place
from relaytrack.trackers.textfile import read_text


@contextmanager
def run_folder(given: str, *, changes: bool = False, videos: bool = True) -> Iterator[Path]:
    """A run's folder: as it lies on a disk, or fetched from behind an URL.

    Args:
        given: a folder or an URL.
        changes: what is changed in the folder within the block is brought to the place. Lists of people go last: who
            is cut off finds the person still known, and does it again.
        videos: whether they are fetched, too.

    Raises:
        RelayTrackError: the place cannot be reached or refuses; nothing of it was changed before that is told.
    """
    if not is_address(given):
        yield Path(given)
        return
    place = open_place(given)
    folder = Path(tempfile.mkdtemp(prefix="relaytrack-"))
    try:
        _fetch(place, folder, videos)
        yield folder
        if changes:
            Mirror(folder, place).bring()
    except RelayTrackError as error:  # that names a folder which nobody knows
        raise type(error)(str(error).replace(str(folder), place.address)) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _fetch(place: SharedPlace, folder: Path, videos: bool) -> None:
    names = place.names()
    if not names:
        raise InputError(f"no run of RelayTrack there: {place.address}")
    notes = ShareNotes(folder, place.address)
    for name in names:
        if name.startswith("video/") and not videos:
            continue
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise InputError(f"a file's name leads out of the folder: {place.address}")
        place.fetch(name, path)
        state = path.stat()
        notes.put(name, name, state.st_size, state.st_mtime_ns)


def correct_everywhere(given: str, correct: Callable[[Path], str]) -> str:
    """Correct a run's folder, and first the run's part of a shared place that its run.json names.

    Args:
        given: a folder or an URL.
        correct: carries the correction out in a folder, and says what was done.

    Returns:
        What was done, in one line.

    Raises:
        InputError: the correction makes no sense.
        RelayTrackError: something cannot be reached, read or written; a second call does what is left.
    """
    with run_folder(given, changes=True) as folder:
        share = None if _is_shared(folder) else _share_of(folder)
        more = "" if share is None else _correct_share(share, correct)
        return correct(folder) + more


def _correct_share(share: str, correct: Callable[[Path], str]) -> str:
    """What to add to the sentence that says what was done."""
    place = open_place(share)
    if not is_address(share) and not Path(share).parent.is_dir():
        raise OutputError(f"the run's results are also in {share}, and that cannot be reached (mounted?)")
    if not place.names():
        return f"; nothing is left at {place.address}"
    try:
        with run_folder(share, changes=True) as there:
            correct(there)
    except InputError as error:  # a call that was cut off has done it already; else the folder says the same
        return f"; at the shared place: {error}"
    return f"; at {place.address}, too"


def _is_shared(folder: Path) -> bool:
    return _json(folder / MARKER).get("shared") is True


def _share_of(folder: Path) -> str | None:
    """Where a run's results lie besides its folder, as its run.json says."""
    config: Any = known_of_run(folder).get("config")
    section = config.get("cluster") if isinstance(config, dict) else None
    share = section.get("share") if isinstance(section, dict) else None
    return share if isinstance(share, str) else None


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(read_text(path))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
