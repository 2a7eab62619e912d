"""Which files of a folder of results are complete while work in it goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from relaytrack.pipeline.sinks.segments import KINDS, segments

_STILL = 60.0  # seconds without a change after which the newest segment of a camera counts as complete for now


def complete_segments(folder: Path, now: Callable[[], float] = time.time) -> Callable[[str], bool]:
    """A question: whether a file is a complete segment, or a picture, of a live run that goes on.

    The newest segment of each camera is being written, unless nothing was added for a minute. Lists (`events.jsonl`,
    `identities.json` and so on) change all the time and are none.
    """
    _, newest = segments(folder)
    written = set()
    for _, path in newest:
        try:
            if now() - path.stat().st_mtime < _STILL:
                written.add(path.relative_to(folder).as_posix())
        except FileNotFoundError:
            continue
    return lambda name: (
        name.startswith(("crops/", *(f"{kind}/" for kind in KINDS))) and (name.count("/") == 2 and name not in written)
    )
