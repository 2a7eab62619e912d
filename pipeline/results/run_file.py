"""run.json of a run's folder as plain data: the one place where it is read and written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from relaytrack.pipeline.errors import InputError
from relaytrack.pipeline.results.folder import write_atomically
from relaytrack.trackers.textfile import read_text

RUN_FILE = "run.json"


def read_run_file(folder: Path) -> dict[str, Any]:
    """What a run's run.json holds; see `runtime.run_info` for its keys.

    Raises:
        OSError: there is none, or it cannot be opened.
        InputError: it is damaged.
    """
    path = folder / RUN_FILE
    try:
        found = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON") from error
    if not isinstance(found, dict):
        raise InputError(f"{path}: not a file of this version of RelayTrack")
    return found


def known_of_run(folder: Path) -> dict[str, Any]:
    """The same; nothing where there is no run.json that can be read."""
    try:
        return read_run_file(folder)
    except (OSError, InputError):
        return {}


def write_run_file(folder: Path, content: Mapping[str, Any]) -> None:
    """Write run.json anew.

    Raises:
        OutputError: it cannot be written.
    """
    write_atomically(folder / RUN_FILE, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
