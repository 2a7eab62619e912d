"""The decisions of a run that rest on the least evidence."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relaytrack.pipeline.errors import InputError
from relaytrack.pipeline.results.embeddings import embeddings_in
from relaytrack.pipeline.results.identities import TrackRecord
from relaytrack.pipeline.results.run_data import RunData
from relaytrack.pipeline.results.visits import seen_together

LOG = logging.getLogger(__name__)
_MOST_TRACKS = 2000
_MOST_PAIRS = 2000


@dataclass(frozen=True, slots=True)
class Doubt:
    """A decision to look at first.

    Attributes:
        joined: two tracks were given one identity though they look unlike; else two identities look alike.
        one: the first side, (identity, track).
        other: the second side.
        similarity: cosine of the two sides' mean embeddings.
        rival: where tracks were joined, the stranger who is most like `one`.
        rival_similarity: cosine of `one` and the rival.
        weight: how doubtful, higher is more; comparable within one run.
    """

    joined: bool
    one: tuple[int, TrackRecord]
    other: tuple[int, TrackRecord]
    similarity: float
    weight: float
    rival: tuple[int, TrackRecord] | None = None
    rival_similarity: float = 0.0


def doubts(data: RunData, most: int = 12) -> list[Doubt]:
    """The decisions to look at first, most doubtful first.

    A track is doubtful in its identity if it is more like somebody else than like the other tracks of its identity; two
    identities are doubtful if they are as alike as the tracks that were joined, and were never in one camera at
    the same time. Damaged embeddings are told, and count as none.
    """
    try:
        vectors = embeddings_in(data.folder)
    except InputError as error:  # everything else of the report can be told
        LOG.warning("%s; the report tells of no doubtful decisions", error)
        return []
    if not vectors:
        return []
    entries = [
        (identity, track)
        for identity, tracks in data.people.items()
        for track in tracks
        if (track.camera, track.track) in vectors
    ]
    entries = sorted(entries, key=lambda entry: -entry[1].frames)[:_MOST_TRACKS]
    if len(entries) < 2:
        return []
    matrix = np.stack([vectors[track.camera, track.track] for _, track in entries])
    similar = matrix @ matrix.T
    ids = np.array([identity for identity, _ in entries])
    same = ids[:, None] == ids[None, :]
    own = np.where(same & ~np.eye(len(ids), dtype=bool), similar, -np.inf)
    strange = np.where(same, -np.inf, similar)
    found = _weak_links(entries, ids, own, strange) + _look_alikes(data, entries, ids, own, strange)
    return sorted(found, key=lambda doubt: (-doubt.weight, doubt.one[0], doubt.other[0]))[:most]


_Entries = Sequence[tuple[int, TrackRecord]]


def _weak_links(
    entries: _Entries, ids: NDArray[np.int64], own: NDArray[np.float32], strange: NDArray[np.float32]
) -> list[Doubt]:
    """Per identity of several tracks, the track that fits worst."""
    found = []
    best = own.max(axis=1)
    margin = np.where(np.isfinite(best), strange.max(axis=1) - best, -np.inf)
    told: set[int] = set()
    for row in np.argsort(-margin, kind="stable").tolist():
        if margin[row] <= -0.1:
            break
        if int(ids[row]) not in told:
            told.add(int(ids[row]))
            fellow = int(np.argmax(own[row]))
            rival = int(np.argmax(strange[row]))
            found.append(
                Doubt(
                    joined=True,
                    one=entries[row],
                    other=entries[fellow],
                    similarity=float(own[row, fellow]),
                    weight=float(margin[row]),
                    rival=entries[rival],
                    rival_similarity=float(strange[row, rival]),
                )
            )
    return found


def _look_alikes(
    data: RunData,
    entries: _Entries,
    ids: NDArray[np.int64],
    own: NDArray[np.float32],
    strange: NDArray[np.float32],
) -> list[Doubt]:
    """Pairs of identities as alike as joined tracks usually are."""
    joined = own.max(axis=1)
    joined = joined[np.isfinite(joined)]
    usual = float(np.median(joined)) if len(joined) else 0.7
    found: dict[tuple[int, int], Doubt] = {}
    rows, columns = np.triu_indices(len(ids), 1)
    values = strange[rows, columns]
    likely = np.argsort(-values, kind="stable")[:_MOST_PAIRS]
    for number in likely[values[likely] > usual - 0.1].tolist():
        row, column = int(rows[number]), int(columns[number])
        pair = (min(ids[row], ids[column]), max(ids[row], ids[column]))
        value = float(strange[row, column])
        if pair in found and found[pair].similarity >= value:
            continue
        if seen_together(data.people[int(pair[0])], data.people[int(pair[1])]) is None:
            found[pair] = Doubt(False, entries[row], entries[column], value, value - usual)
    return list(found.values())
