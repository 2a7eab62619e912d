"""All tracks of a run together: those that were seen lately (in memory) and those that have ended (on the disk)."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby

import numpy as np

from relaytrack.pipeline.records import Floats
from relaytrack.pipeline.results.identities import TrackRecord
from relaytrack.pipeline.results.identities_writing import Records, track_order
from relaytrack.pipeline.sinks.ended_tracks import EndedTracks
from relaytrack.pipeline.sinks.live_track import LiveTrack
from relaytrack.trackers.identities.types import TrackKey


def people(ended: EndedTracks, lately: Collection[LiveTrack]) -> Iterator[tuple[int, Records]]:
    """Every identity, in ascending order, with what reads its tracks, ended or not, in the order of `track_order`.

    No track may change before the last identity was taken.

    Raises:
        OutputError: the ended tracks cannot be read.
    """
    present: dict[int, list[TrackRecord]] = {}
    for live in lately:
        present.setdefault(live.identity, []).append(live.record)
    for identity, _ in groupby(heapq.merge(ended.people(), sorted(present))):
        yield identity, partial(_records, ended, identity, sorted(present.get(identity, ()), key=track_order))


def _records(ended: EndedTracks, identity: int, present: Sequence[TrackRecord]) -> Iterator[TrackRecord]:
    return heapq.merge(ended.of(identity), present, key=track_order)


def mean_looks(ended: EndedTracks, lately: Mapping[TrackKey, LiveTrack], most: int | None) -> dict[TrackKey, Floats]:
    """The tracks' mean embeddings (D,), unit vectors, the ended ones first; only of tracks that have one.

    Args:
        ended: tracks that have ended.
        lately: the others.
        most: give none at all where more tracks than this have one; None gives them however many there are.

    Raises:
        OutputError: the ended tracks cannot be read.
    """
    present = [(key, live.embedding) for key, live in lately.items() if live.embedding is not None]
    if most is not None and ended.embedded() + len(present) > most:
        return {}
    known = [*ended.embeddings(), *present]
    if not known:
        return {}
    vectors = np.stack([vector for _, vector in known])
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return dict(zip([key for key, _ in known], vectors, strict=True))
