"""Tracks that are decided again some time after they began, when no other track has joined their identity.

The list is a heap of plain tuples: when, which turn, which track.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from heapq import heapify, heappop, heappush

import numpy as np

from relaytrack.trackers.identities.types import Ints, TrackKey
from relaytrack.trackers.identities.window import Window

DUE = (1.0, 4.0)
"""Seconds after its beginning at which a track that is alone in its identity is decided again."""
DueTracks = list[tuple[float, int, TrackKey]]


def put_down(due: DueTracks, time: float, key: TrackKey) -> None:
    """Note a track that began at `time`, seconds."""
    heappush(due, (time + DUE[0], 0, key))


def take_due(due: DueTracks, window: Window) -> Ints:
    """Slots of the tracks whose time has come and that are alone in an identity which the gallery does not know.

    At most `window.budget` are looked at; each track whose last turn has not come yet is noted again.
    """
    table = window.table
    ready: DueTracks = []
    while due and due[0][0] <= window.now and len(ready) < window.budget:
        ready.append(heappop(due))
    if not ready:
        return np.zeros(0, np.int64)
    members = Counter(table.identity[table.used].tolist())
    out = []
    for time, turn, (camera, track) in ready:
        slot = table.find(camera, track)
        if slot is None:
            continue
        if turn + 1 < len(DUE):
            heappush(due, (time - DUE[turn] + DUE[turn + 1], turn + 1, (camera, track)))
        identity = int(table.identity[slot])
        if members[identity] == 1 and identity not in window.gallery:
            out.append(slot)
    return np.array(out, np.int64)


def without(due: DueTracks, tracks: Collection[TrackKey]) -> DueTracks:
    """The list without some tracks."""
    kept = [entry for entry in due if entry[2] not in tracks]
    heapify(kept)
    return kept
