"""`events.jsonl` of a run that has ended: what is added to it and what is taken out."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from relaytrack.pipeline.events.schema import RevisedEvent
from relaytrack.pipeline.results.folder import write_atomically, writing

NAME = "events.jsonl"
OLD = "events-old.jsonl"


def append_revisions(
    folder: Path, changes: Sequence[tuple[str, int, int, int]], time: float, kind: Literal["final", "manual"]
) -> None:
    """Add what was changed after a run over files to its events.

    Args:
        folder: the output folder.
        changes: (camera, track, identity so far, final identity) each.
        time: the run's end.
        kind: "final" for the association's final answer, "manual" for a correction by hand.

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


def drop_events(folder: Path, unwanted: Callable[[dict[str, Any]], bool]) -> None:
    """Take events out, each file in one step.

    Args:
        folder: the output folder.
        unwanted: says of each event whether it is taken out.

    Raises:
        OutputError: a file cannot be read or written.
    """
    for path in (folder / NAME, folder / OLD):
        if path.exists():
            with writing(path, "read"):
                lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            write_atomically(path, "".join(line for line in lines if not unwanted(json.loads(line))))


def read_events(folder: Path) -> list[dict[str, Any]]:
    """All events of a run, oldest first.

    Raises:
        OutputError: a file cannot be read.
    """
    found: list[dict[str, Any]] = []
    for path in (folder / OLD, folder / NAME):
        if path.exists():
            with writing(path, "read"):
                found += [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return found
