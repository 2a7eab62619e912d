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
LATE = 10.0
"""Seconds by which a turn may be late."""
DueTracks = list[tuple[float, int, TrackKey]]


def put_down(due: DueTracks, time: float, key: TrackKey) -> None:
    """Note a track that began at `time`, seconds."""
    heappush(due, (time + DUE[0], 0, key))


def take_due(due: DueTracks, window: Window) -> Ints:
    """Slots of the tracks whose time has come and that are alone in an identity which the gallery does not know.

    At most `window.budget` are looked at; each track whose last turn has not come yet is noted again. A turn that could
    not be taken for `LATE` seconds is left out, so that the list does not grow where more begin than can be looked at.
    """
    table = window.table
    ready: DueTracks = []
    while due and due[0][0] <= window.now and len(ready) < window.budget:
        ready.append(heappop(due))
    while due and due[0][0] < window.now - LATE:
        time, turn, key = heappop(due)
        _put_down_again(due, time, turn, key)
    if not ready:
        return np.zeros(0, np.int64)
    found = [slot for _, _, key in ready if (slot := table.find(*key)) is not None]
    named = table.identity[table.used]
    members = Counter(named[np.isin(named, table.identity[np.array(found, np.int64)])].tolist())
    out = []
    for time, turn, (camera, track) in ready:
        slot = table.find(camera, track)
        if slot is None:
            continue
        _put_down_again(due, time, turn, (camera, track))
        identity = int(table.identity[slot])
        if members[identity] == 1 and identity not in window.gallery:
            out.append(slot)
    return np.array(out, np.int64)


def _put_down_again(due: DueTracks, time: float, turn: int, key: TrackKey) -> None:
    """Note the next turn of a track, if there is one."""
    if turn + 1 < len(DUE):
        heappush(due, (time - DUE[turn] + DUE[turn + 1], turn + 1, key))


def without(due: DueTracks, tracks: Collection[TrackKey]) -> DueTracks:
    """The list without some tracks."""
    kept = [entry for entry in due if entry[2] not in tracks]
    heapify(kept)
    return kept
