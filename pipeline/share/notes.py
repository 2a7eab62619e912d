"""`.relaytrack.share` in a folder of results: which of its files are at the shared place, and under which names.

The first line names the place. Each further line tells of one file, the last one of a file counts:

    {"place": "s3://bucket/site/20261128T133000+0100"}
    {"file": "video/gate/20261128T133000+0100.mp4", "as": "video/gate/20261128T133000+0100.mp4"}    before it is put
    {"file": "...", "as": "...", "size": 12345, "changed": 1795177800040000000}                     once it is there
    {"file": "...", "gone": true}                                                                   removed there
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relaytrack.pipeline.results.folder import open_private, write_atomically, writing

NAME = ".relaytrack.share"
MOST_BYTES = 1_000_000
"""Size of the notes from which on they are written anew, without what is gone."""


@dataclass(frozen=True, slots=True)
class Put:
    """What is known of a file at the shared place.

    Attributes:
        name: its name there.
        size, changed: bytes and time of the last change (ns since 1970) of the local file that was put; None while it
            is not known whether it arrived.
    """

    name: str
    size: int | None = None
    changed: int | None = None


class ShareNotes:
    """Reads and adds the notes of a folder.

    Args:
        folder: of the results.
        address: the place, for notes that are not there yet; notes that name another place begin anew.
    """

    def __init__(self, folder: Path, address: str) -> None:
        self._path = folder / NAME
        self.address = address
        self.files: dict[str, Put] = {}
        self._limit = MOST_BYTES
        if noted_place(folder) == address:
            for line in self._path.read_bytes().splitlines()[1:]:
                self._take(line)

    def claim(self, file: str, name: str) -> None:
        """A file is about to be put under a name.

        Raises:
            OutputError: the notes cannot be written.
        """
        self._add(file, Put(name), {"as": name})

    def put(self, file: str, name: str, size: int, changed: int) -> None:
        """A file has arrived; see `claim`."""
        self._add(file, Put(name, size, changed), {"as": name, "size": size, "changed": changed})

    def gone(self, file: str) -> None:
        """A file is removed there; see `claim`."""
        self._add(file, None, {"gone": True})

    def _add(self, file: str, known: Put | None, words: dict[str, Any]) -> None:
        if noted_place(self._path.parent) != self.address:
            write_atomically(self._path, json.dumps({"place": self.address}) + "\n")
        with open_private(self._path, "ab", buffering=0) as stream, writing(self._path):
            stream.write(json.dumps({"file": file, **words}).encode() + b"\n")
            size = stream.tell()
        self._keep(file, known)
        if size > self._limit:
            self._limit = max(MOST_BYTES, 2 * self._shorten())

    def _shorten(self) -> int:
        """Write anew what is known; bytes that it takes."""
        lines = [json.dumps({"place": self.address})]
        for file, one in self.files.items():
            sizes = {} if one.size is None else {"size": one.size, "changed": one.changed}
            lines.append(json.dumps({"file": file, "as": one.name, **sizes}))
        text = "".join(f"{line}\n" for line in lines)
        write_atomically(self._path, text)
        return len(text)

    def _keep(self, file: str, known: Put | None) -> None:
        if known is None:
            self.files.pop(file, None)
        else:
            self.files[file] = known

    def _take(self, line: bytes) -> None:
        """Take one line; a damaged one, as after a power failure, is skipped."""
        try:
            told = json.loads(line)
            known = None if told.get("gone") else Put(str(told["as"]), told.get("size"), told.get("changed"))
            self._keep(str(told["file"]), known)
        except (ValueError, KeyError, TypeError, AttributeError):
            return


def noted_place(folder: Path) -> str | None:
    """The place at which a folder's files are, as its notes say; None where there are none."""
    try:
        with open(folder / NAME, "rb") as stream:
            return str(json.loads(stream.readline())["place"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
