"""Keeps a shared place like a folder of results: what is new or has changed is put there, what went is removed."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from relaytrack.pipeline.dates import STAMP
from relaytrack.pipeline.results.result_names import PARTIAL
from relaytrack.pipeline.results.run_lock import LOCK
from relaytrack.pipeline.share.notes import NAME, ShareNotes
from relaytrack.pipeline.share.places import SharedPlace

_PASSING = (PARTIAL, "-journal", "-wal", "-shm", "-lock")  # ends of the names of files that are no results
Wanted = Callable[[str], bool]
"""Whether a file of the folder belongs at the place, by its relative name."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What the place lacks, and what it has too much: names of the folder's files."""

    put: tuple[str, ...]
    remove: tuple[str, ...]


class Mirror:
    """Compares a folder with its shared place, and puts and removes what differs.

    Args:
        folder: of the results; the notes of what is at the place lie in it.
        place: where its files go.
        wanted: which files go there.
        together: others put files there, too: a name that is taken gets a number behind it (`_2` and so on).
    """

    def __init__(
        self, folder: Path, place: SharedPlace, wanted: Wanted = lambda name: True, *, together: bool = False
    ) -> None:
        self._folder, self._place, self._wanted, self._together = folder, place, wanted, together
        self._notes = ShareNotes(folder, place.address)

    def difference(self, finished: Wanted = lambda name: True) -> Difference:
        """What has to be done.

        Args:
            finished: whether a file may be put already; others wait.
        """
        here = files_below(self._folder)
        gone = [name for name in self._notes.files if name not in here]
        new = [name for name in here if self._wanted(name) and self._changed(name) and finished(name)]
        last = sorted(new, key=lambda name: ("/" not in name, name))  # lists of people come after what they name
        return Difference(tuple(last), tuple(sorted(gone)))

    def bring(self, finished: Wanted = lambda name: True) -> Difference:
        """Do all that has to be done; returns what that was. A call that was cut off is made good by the next.

        Raises:
            OutputError: the place cannot be reached or refuses.
        """
        found = self.difference(finished)
        for name in found.remove:
            self._place.remove(self._notes.files[name].name)
            self._notes.gone(name)
        for name in found.put:
            self._put(name)
        return found

    def _put(self, name: str) -> None:
        path = self._folder / name
        known = self._notes.files.get(name)
        there = known.name if known is not None else self._free(name)
        if known is None:
            self._notes.claim(name, there)  # a kill while it is put leaves nothing that nobody knows of
        try:
            state = path.stat()
            self._place.put(there, path)
        except FileNotFoundError:  # removed meanwhile: the next call removes it there
            return
        self._notes.put(name, there, state.st_size, state.st_mtime_ns)

    def _changed(self, name: str) -> bool:
        known = self._notes.files.get(name)
        try:
            state = (self._folder / name).stat()
        except FileNotFoundError:
            return False
        return known is None or (known.size, known.changed) != (state.st_size, state.st_mtime_ns)

    def _free(self, name: str) -> str:
        """A name that nobody else has taken."""
        found, number = name, 1
        while self._together and self._place.exists(found):
            number += 1
            path = Path(name)
            match = STAMP.fullmatch(path.stem)
            found = path.with_stem(f"{path.stem if match is None else match['own']}_{number}").as_posix()
        return found


def files_below(folder: Path) -> set[str]:
    """The complete files of a folder of results, relative to it; marks of this machine are left out."""
    own = {NAME, LOCK}
    found = set()
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            if name not in own and not name.endswith(_PASSING) and not path.is_symlink():
                found.add(path.relative_to(folder).as_posix())
    return found
