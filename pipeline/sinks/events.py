"""`events.jsonl`: what happens, line by line while the run goes on; see `pipeline.events.schema`."""

from __future__ import annotations

import os
from pathlib import Path

from relaytrack.pipeline.records import Step
from relaytrack.pipeline.results.correction import Correction, correct_events
from relaytrack.pipeline.results.events_file import NAME, OLD
from relaytrack.pipeline.results.folder import writing
from relaytrack.pipeline.results.text_file import TextFile


class EventsSink:
    """Writes each step's events.

    Args:
        folder: the output folder.
        rotate: bytes after which `events.jsonl` becomes `events-old.jsonl` and a new one begins.
        append: go on behind the events of an earlier start.
    """

    name = "events"

    def __init__(self, folder: Path, *, rotate: int = 50_000_000, append: bool = False) -> None:
        self._path = folder / NAME
        self._file = TextFile(self._path, append=append)
        self._rotate = rotate

    def write(self, step: Step) -> None:
        """Append the step's events; a file that somebody moved away, as log files are, begins anew.

        Raises:
            OutputError: the file cannot be written, or its folder was deleted or moved.
        """
        if not step.events:
            return
        if self._file.is_gone() and self._path.parent.is_dir():
            self._file.close()
            self._file = TextFile(self._path)
        self._file.write("".join(event.model_dump_json() + "\n" for event in step.events).encode())
        if self._file.size > self._rotate:
            self._file.close()
            with writing(self._path):
                os.replace(self._path, self._path.with_name(OLD))
            self._file = TextFile(self._path)

    def corrected(self, correction: Correction) -> None:
        """Take out the events of a person who is forgotten.

        Raises:
            OutputError: the file cannot be written.
        """
        self._file.close()
        try:
            correct_events(self._path.parent, correction)
        finally:
            self._file = TextFile(self._path, append=True)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
