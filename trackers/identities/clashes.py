"""Two people in one frame who show the same identity: one of their tracks is decided anew at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from relaytrack.trackers.identities.decisions import decide
from relaytrack.trackers.identities.types import Ints, Revision
from relaytrack.trackers.identities.window import Window


def part_clashes(window: Window, seen: Sequence[Ints]) -> list[Revision]:
    """Give another identity to tracks whose frame shows their identity on another person, too.

    This happens when a new track was taken for somebody out of sight for a moment, whose own track then goes on. Of
    two such tracks the one that was seen in more frames keeps the identity.

    Args:
        window: the window.
        seen: for each frame of the step, the slots (N,) of its tracks.
    """
    slots = _clashing(window, seen)
    if len(slots) == 0:
        return []
    before = window.table.identity[slots].copy()
    window.table.identity[slots] = 0
    decide(window, slots)
    return window.revisions(slots, before)


def _clashing(window: Window, seen: Sequence[Ints]) -> Ints:
    """(M,) slots of the tracks that cannot keep their identity."""
    if not seen:
        return np.zeros(0, np.int64)
    table, duplicates = window.table, window.params.duplicates
    slots = np.concatenate(seen)
    frame = np.repeat(np.arange(len(seen)), [len(part) for part in seen])
    order = np.lexsort((slots, table.start[slots], -table.frames[slots], table.identity[slots], frame))
    slots, frame = slots[order], frame[order]
    identity = table.identity[slots]
    equal = (np.diff(frame) == 0) & (np.diff(identity) == 0)
    lost = np.zeros(len(slots), bool)
    for row in (np.flatnonzero(equal) + 1).tolist():
        first = int(np.flatnonzero((frame == frame[row]) & (identity == identity[row]))[0])
        kept = slots[first:row][~lost[first:row]]
        apart, _ = table.met(np.full(len(kept), slots[row]), kept, duplicates=duplicates)
        lost[row] = apart.any()
    return np.asarray(slots[lost], np.int64)
