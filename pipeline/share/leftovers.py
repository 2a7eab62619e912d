"""What earlier work on this machine has left to do at the shared place: it was killed, or files went since."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from relaytrack.pipeline.results.run_lock import LOCK, RunLock
from relaytrack.pipeline.share.mirror import Mirror, Wanted, files_below
from relaytrack.pipeline.share.notes import NAME, noted_place
from relaytrack.pipeline.share.places import open_place


def bring_leftovers(root: Path, wanted: Wanted, *, but: Path | None = None) -> None:
    """Finish the copying of every folder below `root` that no program uses now; `but` is left out.

    Each goes to the place that its notes name.

    Raises:
        RelayTrackError: a place cannot be reached or refuses.
    """
    for folder in sorted(root.iterdir()) if root.is_dir() else ():
        if folder != but:
            bring_folder(folder, wanted)


def bring_folder(folder: Path, wanted: Wanted) -> None:
    """Finish the copying of one folder, unless it has no notes or a program uses it; see `bring_leftovers`."""
    address = noted_place(folder)
    if address is None or folder.is_symlink():
        return
    lock = RunLock(folder)
    if not lock.acquire():
        return
    try:
        Mirror(folder, open_place(address), wanted).bring()
        if not files_below(folder):  # all of it went, by age or for room; the place has nothing of it any more
            (folder / NAME).unlink()
    finally:
        lock.release()
    if not (folder / NAME).exists():
        (folder / LOCK).unlink(missing_ok=True)
        with suppress(OSError):
            folder.rmdir()
