"""`relaytrack bench identities --truth --found`: which people of a run were confused with whom."""

from __future__ import annotations

import argparse
import dataclasses
import json
from typing import TYPE_CHECKING

from relaytrack.pipeline.errors import InputError
from relaytrack.reid.paths import plain_path

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def print_confusions(args: argparse.Namespace) -> int:
    """Print each person's identities over time, the most confused first."""
    from relaytrack.trackers.identities.benchmarks.confusions import compare

    truth, found = _tables(args.truth), _tables(args.found)
    if truth.keys() != found.keys():
        raise InputError("--truth and --found must name the same cameras")
    people = compare({name: (truth[name], found[name]) for name in truth})
    if args.json:
        print(json.dumps([dataclasses.asdict(person) for person in people], indent=1))
        return 0
    print(f"{'person':>6}{'identity':>9}{'boxes':>7}{'right':>7}{'other':>7}{'missed':>7}  camera:frames=identity")
    for person in people:
        parts = [f"{part.camera}:{part.first}-{part.last}={part.identity}" for part in person.stretches]
        print(
            f"{person.person:>6}{person.identity:>9}{person.frames:>7}{person.right:>7}{person.other:>7}"
            f"{person.missed:>7}  {' '.join(parts)}"
        )
    return 0


def _tables(words: list[str]) -> dict[str, NDArray[np.float64]]:
    """CAMERA=FILE to the rows of the files.

    Raises:
        InputError: a word of another form, or a file that is no MOT text.
    """
    import numpy as np

    from relaytrack.trackers.evaluation import read_mot

    out = {}
    for word in words:
        name, sign, path = word.partition("=")
        if not sign:
            raise InputError(f"{word}: expected CAMERA=FILE")
        rows = read_mot(plain_path(path))
        out[name] = np.column_stack([rows.frames, rows.ids, rows.xywh])
    return out
