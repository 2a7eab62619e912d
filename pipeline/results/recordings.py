"""`video/index.jsonl` of a live run: which file shows which camera from when to when.

Two kinds of lines, added as the run goes on:

    {"file": "gate/20261120T133000+0100.mp4", "camera": "gate", "start": 1795177800.04}
    {"file": "gate/20261120T133000+0100.mp4", "end": 1795178399.96}

`start` and `end` are the moments of the file's first and last picture, seconds since 1970. A file without an end is
being written, or its run was killed. Files that were deleted since keep their lines for a while: when the index has
grown to `MOST_BYTES`, and whenever it has doubled after that, it is written anew without them.
"""

from __future__ import annotations

import json
import os
import threading
from dataclasses import dataclass, replace
from pathlib import Path

from relaytrack.pipeline.results.folder import open_private, write_bytes, writing
from relaytrack.pipeline.results.result_names import INDEX

MOST_BYTES = 1_000_000
"""Some 6,000 files."""
_MOST_KNOWN = 6_000  # files that a reader remembers though they may be deleted


@dataclass(frozen=True, slots=True)
class Recording:
    """One file.

    Attributes:
        path: where it is; camera: whose pictures it shows.
        start: moment of its first picture, seconds since 1970.
        end: moment of its last picture; None while it is written, and after a kill.
    """

    path: Path
    camera: str
    start: float
    end: float | None = None

    @property
    def run(self) -> str:
        """The name of the run's folder."""
        return self.path.parent.parent.parent.name


class RecordingIndex:
    """Writes the index.

    Args:
        folder: `DIR/video`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._limit = MOST_BYTES

    def begin(self, path: Path, camera: str, start: float) -> None:
        """A file begins.

        Raises:
            OutputError: the index cannot be written.
        """
        self._add({"file": self._name(path), "camera": camera, "start": round(start, 3)})

    def end(self, path: Path, end: float) -> None:
        """A file is complete; see `begin`."""
        self._add({"file": self._name(path), "end": round(end, 3)})

    def _name(self, path: Path) -> str:
        return path.relative_to(self._folder).as_posix()

    def _add(self, line: dict[str, object]) -> None:
        path = self._folder / INDEX
        with open_private(path, "ab", buffering=0) as file, writing(path):
            file.write(json.dumps(line).encode() + b"\n")
            size = file.tell()
        if size > self._limit:
            self._limit = max(MOST_BYTES, 2 * self._shorten(path, str(line["file"])))

    def _shorten(self, path: Path, present: str) -> int:
        """Leave out the lines of files that are deleted, but for the `present` one; bytes that are left."""
        there = {present, *(self._name(one) for one in self._folder.glob("*/*.mp4"))}
        with writing(path, "read"):
            lines = path.read_bytes().splitlines(keepends=True)
        left = b"".join(line for line in lines if _file_of(line) in there)
        write_bytes(path, left)
        return len(left)


def _file_of(line: bytes) -> str | None:
    """The file that a line tells of; None of a damaged line."""
    try:
        return str(json.loads(line)["file"])
    except (ValueError, KeyError, TypeError):
        return None


class RecordingReader:
    """Reads the index of one run again and again; only what was added is read anew.

    Args:
        folder: the run's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._video = folder / "video"
        self._reading = threading.Lock()
        self._read, self._number = 0, 0  # bytes of which file, by its number on the disk
        self._known: dict[str, Recording] = {}
        self._limit = _MOST_KNOWN

    def recordings(self) -> list[Recording]:
        """The files that the index tells of, in the order in which they began; some may be deleted already."""
        with self._reading:
            try:
                with (self._video / INDEX).open("rb") as file:
                    state = os.fstat(file.fileno())
                    if state.st_ino != self._number or state.st_size < self._read:  # it was written anew
                        self._read, self._number = 0, state.st_ino
                    file.seek(self._read)
                    added = file.read()
            except OSError:
                added = b""
            whole = added[: added.rfind(b"\n") + 1]  # the last line may be on its way
            self._read += len(whole)
            for line in whole.splitlines():
                self._take(line)
            if len(self._known) > self._limit:
                self._known = {name: one for name, one in self._known.items() if one.path.exists()}
                self._limit = max(_MOST_KNOWN, 2 * len(self._known))
            return list(self._known.values())

    def _take(self, line: bytes) -> None:
        """Take one line; a damaged one, as after a power failure, is skipped."""
        try:
            content = json.loads(line)
            name = str(content["file"])
            known = self._known.get(name)
            if known is not None and "end" in content:
                self._known[name] = replace(known, end=float(content["end"]))
            elif "start" in content and ".." not in Path(name).parts:
                self._known[name] = Recording(self._video / name, str(content["camera"]), float(content["start"]))
        except (ValueError, KeyError, TypeError):
            return
