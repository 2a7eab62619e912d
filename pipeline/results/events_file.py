"""`events.jsonl` of a run that has ended: what is added to it and what is taken out."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from relaytrack.pipeline.dates import utc_text
from relaytrack.pipeline.events.schema import RevisedEvent
from relaytrack.pipeline.results.folder import write_atomically, writing

_log = logging.getLogger("relaytrack.results")
NAME = "events.jsonl"
OLD = "events-old.jsonl"


def append_revisions(
    folder: Path,
    changes: Sequence[tuple[str, int, int, int]],
    time: float,
    kind: Literal["final", "manual"],
    *,
    zero: float | None = None,
) -> None:
    """Add what was changed after a run to its events.

    Args:
        folder: the output folder.
        changes: (camera, track, identity so far, final identity) each.
        time: the run's end.
        kind: "final" for the association's final answer, "manual" for a correction by hand.
        zero: seconds since 1970 at a live run's time 0; None in a run over recordings.

    Raises:
        OutputError: the file cannot be written.
    """
    path = folder / NAME
    if not path.exists() or not changes:
        return
    time = round(time, 3)
    date = None if zero is None else utc_text(zero + time)
    lines = [
        RevisedEvent(time=time, date=date, camera=camera, track=track, identity=new, old=old, kind=kind)
        for camera, track, old, new in changes
    ]
    with writing(path), open(path, "ab", buffering=0) as file:
        file.write("".join(line.model_dump_json() + "\n" for line in lines).encode())


def drop_events(folder: Path, unwanted: Callable[[dict[str, Any]], bool]) -> None:
    """Take events out, each file in one step; lines that are no events go, too, since nobody knows whom they name.

    Args:
        folder: the output folder.
        unwanted: says of each event whether it is taken out.

    Raises:
        OutputError: a file cannot be read or written.
    """
    for path in (folder / NAME, folder / OLD):
        if path.exists():
            lines = _lines(path)
            damaged = sum(event is None for _, event in lines)
            if damaged:
                _log.warning("%s: %d damaged lines are taken out", path, damaged)
            kept = [line for line, event in lines if event is not None and not unwanted(event)]
            write_atomically(path, "".join(f"{line}\n" for line in kept))


def read_events(folder: Path) -> list[dict[str, Any]]:
    """All events of a run, oldest first, without lines that are damaged.

    Raises:
        OutputError: a file cannot be read.
    """
    paths = [path for path in (folder / OLD, folder / NAME) if path.exists()]
    return [event for path in paths for _, event in _lines(path) if event is not None]


def _lines(path: Path) -> list[tuple[str, dict[str, Any] | None]]:
    """The lines of a file without their ends, and the event of each; None where a line was cut off or damaged."""
    with writing(path, "read"):
        text = path.read_text(encoding="utf-8", errors="replace")
    return [(line, _event(line)) for line in text.split("\n") if line]


def _event(line: str) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None
