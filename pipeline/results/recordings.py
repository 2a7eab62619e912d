"""`video/index.jsonl` of a live run: which file shows which camera from when to when.

Two kinds of lines, added as the run goes on:

    {"file": "gate/20261120T133000+0100.mp4", "camera": "gate", "start": 1795177800.04}
    {"file": "gate/20261120T133000+0100.mp4", "end": 1795178399.96}

`start` and `end` are the moments of the file's first and last picture, seconds since 1970. A file without an end is
being written, or its run was killed. Files that were deleted since keep their lines.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, replace
from pathlib import Path

from relaytrack.pipeline.results.folder import open_private, writing
from relaytrack.pipeline.results.result_names import INDEX


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


class RecordingReader:
    """Reads the index of one run again and again; only what was added is read anew.

    Args:
        folder: the run's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._video = folder / "video"
        self._reading = threading.Lock()
        self._read = 0
        self._known: dict[str, Recording] = {}

    def recordings(self) -> list[Recording]:
        """All files that the index tells of, in the order in which they began; some may be deleted already."""
        with self._reading:
            try:
                with (self._video / INDEX).open("rb") as file:
                    file.seek(self._read)
                    added = file.read()
            except OSError:
                added = b""
            whole = added[: added.rfind(b"\n") + 1]  # the last line may be on its way
            self._read += len(whole)
            for line in whole.splitlines():
                self._take(line)
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
