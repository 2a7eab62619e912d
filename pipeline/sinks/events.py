"""`events.jsonl`: what happens, line by line while the run goes on; see `pipeline.events.schema`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from relaytrack.pipeline.events.schema import RevisedEvent
from relaytrack.pipeline.records import Step
from relaytrack.pipeline.results.folder import writing
from relaytrack.pipeline.results.text_file import TextFile

NAME = "events.jsonl"
OLD = "events-old.jsonl"


class EventsSink:
    """Writes each step's events.

    Args:
        folder: the output folder.
        rotate: bytes after which `events.jsonl` becomes `events-old.jsonl` and a new one begins.
    """

    name = "events"

    def __init__(self, folder: Path, *, rotate: int = 50_000_000) -> None:
        self._path = folder / NAME
        self._file = TextFile(self._path)
        self._rotate = rotate

    def write(self, step: Step) -> None:
        """Append the step's events.

        Raises:
            OutputError: the file cannot be written.
        """
        if not step.events:
            return
        self._file.write("".join(event.model_dump_json() + "\n" for event in step.events).encode())
        if self._file.size > self._rotate:
            self._file.close()
            with writing(self._path):
                os.replace(self._path, self._path.with_name(OLD))
            self._file = TextFile(self._path)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def append_revisions(
    folder: Path, changes: Sequence[tuple[str, int, int, int]], time: float, kind: Literal["final", "manual"]
) -> None:
    """Add what was changed after a run over files to its events.

    Args:
        folder: the output folder.
        changes: (camera, track, identity so far, final identity) each.
        time: the run's end.
        kind: by the association's last word, or by hand.

    Raises:
        OutputError: the file cannot be written.
    """
    path = folder / NAME
    if not path.exists() or not changes:
        return
    lines = [
        RevisedEvent(time=round(time, 3), camera=camera, track=track, identity=new, old=old, kind=kind)
        for camera, track, old, new in changes
    ]
    with writing(path), open(path, "ab", buffering=0) as file:
        file.write("".join(line.model_dump_json() + "\n" for line in lines).encode())
