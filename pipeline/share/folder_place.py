"""A folder that all machines have mounted; its files are for their owner only."""

from __future__ import annotations

from pathlib import Path

from relaytrack.pipeline.results.folder import write_bytes, writing
from relaytrack.pipeline.results.result_names import PARTIAL

_PIECE = 1 << 20


class FolderPlace:
    """A `SharedPlace` in a folder that every machine has mounted.

    Args:
        folder: made with its first file.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.address = str(folder)

    def names(self) -> list[str]:
        """See `SharedPlace`."""
        with writing(self._folder, "read"):
            found = [path for path in self._folder.rglob("*") if path.is_file() and not path.name.endswith(PARTIAL)]
        return sorted(path.relative_to(self._folder).as_posix() for path in found)

    def exists(self, name: str) -> bool:
        """See `SharedPlace`."""
        return (self._folder / name).is_file()

    def put(self, name: str, file: Path) -> None:
        """See `SharedPlace`."""
        with open(file, "rb") as stream:
            write_bytes(self._folder / name, iter(lambda: stream.read(_PIECE), b""), durable=False)

    def fetch(self, name: str, file: Path) -> None:
        """See `SharedPlace`."""
        with writing(self._folder / name, "read"), open(self._folder / name, "rb") as stream:
            write_bytes(file, iter(lambda: stream.read(_PIECE), b""), durable=False)

    def remove(self, name: str) -> None:
        """See `SharedPlace`; folders that are empty then go, too."""
        path = self._folder / name
        with writing(path, "remove"):
            path.unlink(missing_ok=True)
        for parent in path.parents:
            if not parent.is_relative_to(self._folder):
                break
            try:
                parent.rmdir()
            except OSError:
                break
