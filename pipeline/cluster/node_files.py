"""The files of a piece of work on its machine: their folder, and how others read them in pieces."""

from __future__ import annotations

from pathlib import Path

from relaytrack.pipeline.dates import free_path, stamp
from relaytrack.pipeline.errors import InputError

PIECE = 64_000
"""Bytes of a file that are handed out at a time."""


class NodeFiles:
    """Knows the files that a piece of work has written, and hands them out in pieces.

    Args:
        folder: of the results; None where there are none.
        node: the name of the work.
    """

    def __init__(self, folder: str | None, node: str) -> None:
        self._folder, self._node = None if folder is None else Path(folder), node

    def names(self) -> list[str]:
        """Every file of the results, relative to their folder."""
        if self._folder is None:
            return []
        found = (path for path in sorted(self._folder.rglob("*")) if path.is_file() and not path.is_symlink())
        return [path.relative_to(self._folder).as_posix() for path in found]

    def read(self, name: str, start: int) -> bytes:
        """A piece of a file of the results; b"" at its end.

        Raises:
            InputError: there is no such file among the results.
        """
        folder = Path(self._folder or "").resolve()
        path = (folder / name).resolve()
        if self._folder is None or not path.is_relative_to(folder) or not path.is_file():
            raise InputError(f"node {self._node}: there is no result {name!r}")
        with open(path, "rb") as file:
            file.seek(start)
            return file.read(PIECE)


def own_folder(parent: str, moment: float) -> str:
    """Make a new folder for work that begins now; other programs of this machine may do the same."""
    Path(parent).mkdir(parents=True, exist_ok=True)
    while True:
        folder = free_path(Path(parent) / stamp(moment))
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            continue
        return str(folder)
