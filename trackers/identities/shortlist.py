"""Which identities a new track can have at all, where there are too many tracks to look at all pairs.

A new track joins an identity only where its score is above 0, and the score is at most the best of its appearance
against one of the identity's tracks, plus the most that times and motion can add. So only identities with one track
that is alike enough for that can be chosen. The pairs left out have a score of 0 or less for certain: the decision is
the same as if all pairs were looked at, and nothing else depends on them. The cohorts, with which similarities are
compared, are made before, from the similarities of all pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.identities.equal_pairs import equal_pairs
from relaytrack.trackers.identities.gallery import Candidates
from relaytrack.trackers.identities.topology import CLOCKS
from relaytrack.trackers.identities.types import Floats, Ints
from relaytrack.trackers.identities.window import Window

Bools = NDArray[np.bool_]
_MOST_EXTRA = 10.0
"""The most that `Evidence.extra` counts for."""
_SLACK = 0.01
"""Points by which sums of rounded numbers may differ."""


@dataclass(frozen=True, slots=True, eq=False)
class Shortlist:
    """Pairs (K,) of new tracks and identities, each once, ordered by track and identity.

    Attributes:
        row: the new track's row.
        identity: the identity, of the window or of the gallery.
    """

    row: Ints
    identity: Ints

    def with_known(self, known: Candidates) -> Shortlist:
        """These pairs and those of the gallery."""
        return _once(np.concatenate([self.row, known.query]), np.concatenate([self.identity, known.identity]))


def likely(window: Window, new: Ints, similarity: Floats) -> Shortlist:
    """Identities of the window that new tracks can have.

    Args:
        window: the window; no camera has a ground plane.
        new: (N,) slots, prepared by `preparing.prepare_many`.
        similarity: (N, S) to all slots, as of there.
    """
    table = window.table
    other = _open_to_join(window, new, similarity.shape[1])
    looks = table.weight[: len(other)] > 0
    clear = looks[new]
    rows, slots = [], []
    recent = window.now - table.start[new] < CLOCKS  # seen at once with no other track for long yet
    for part, least in ((recent, None), (~recent, _at_once(window, other))):
        some = np.flatnonzero(part & clear)
        if len(some):
            row, slot = _alike(window, new[some], similarity[some], other & looks, least)
            rows.append(some[row])
            slots.append(slot)
    row, slot = _moved_on(window, new, np.flatnonzero(other))
    rows.append(row)
    slots.append(slot)
    names = [table.identity[slot] for slot in slots]
    # Where there is no embedding, appearance says -1 and times and motion decide: too little to leave anybody out.
    for unclear, joined in ((np.flatnonzero(clear), other & ~looks), (np.flatnonzero(~clear), other)):
        who = np.unique(table.identity[np.flatnonzero(joined)])
        rows.append(np.repeat(unclear, len(who)))
        names.append(np.tile(who, len(unclear)))
    return _once(np.concatenate(rows), np.concatenate(names))


def _open_to_join(window: Window, new: Ints, size: int) -> Bools:
    """(S,) which slots hold a track with an identity that is not decided now."""
    table = window.table
    other = table.used[:size] & (table.identity[:size] > 0)
    other[new] = False
    return np.asarray(other, bool)


def _most_link(window: Window) -> float:
    """The most points that the times between two sightings can add."""
    return max(window.params.time_weight * window.pairs.travel.most, 0.0) + _SLACK


def _at_once(window: Window, other: Bools) -> Floats | None:
    """(S,) the most that being seen at once can add for each slot's identity; None where it adds nothing."""
    most = window.params.time_weight * window.pairs.travel.most_at_once
    if most <= 0:
        return None
    slots = np.flatnonzero(other)
    _, place, number = np.unique(window.table.identity[slots], return_inverse=True, return_counts=True)
    out = np.zeros(len(other), np.float32)
    out[slots] = np.minimum(most * number[place.reshape(-1)], _MOST_EXTRA)
    return out


def _alike(window: Window, new: Ints, similarity: Floats, others: Bools, added: Floats | None) -> tuple[Ints, Ints]:
    """Rows and slots of the pairs whose appearance is enough for a score above 0.

    First a bound by similarity alone sorts out most pairs; the others' points are counted.

    Args:
        window: the window.
        new: (N,) slots with an embedding.
        similarity: (N, S) to all slots.
        others: (S,) which slots are compared.
        added: (S,) points that come on top of what the times can add; None for none.
    """
    pairs = window.pairs
    slots = np.flatnonzero(others)
    least = np.full(len(slots), -_most_link(window), np.float32)
    if added is not None:
        least -= added[slots]
    if len(slots) == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    deviations = least + np.float32(pairs.appearance.margin)
    own = float(pairs.cohorts.least(float(deviations.min()), new).min())
    bound = np.full(len(others), np.inf, np.float32)
    bound[slots] = np.minimum(pairs.cohorts.least(deviations, slots), own) - np.float32(1e-4)
    row, slot = np.divmod(np.flatnonzero(similarity > bound), len(others))
    points = pairs.pair_scores(new[row], slot, similarity[row, slot])
    place = np.zeros(len(others), np.int64)
    place[slots] = np.arange(len(slots))
    near = points > least[place[slot]]
    return row[near], slot[near]


def _moved_on(window: Window, new: Ints, others: Ints) -> tuple[Ints, Ints]:
    """Rows and slots of the pairs of one camera to which motion, or boxes that coincide, can add points.

    Args:
        window: the window.
        new: (N,) slots.
        others: (M,) the slots that they are compared with.
    """
    table, params = window.table, window.params
    row, column = equal_pairs(table.camera[new], table.camera[others])
    one, other = new[row], others[column]
    wait = np.maximum(table.start[other] - table.last[one], table.start[one] - table.last[other])
    barred, twins = table.met(one, other, duplicates=params.duplicates)
    some = twins | (~barred & (params.motion_weight > 0) & (wait > 0) & (wait <= params.motion_horizon))
    return row[some], other[some]


def _once(row: Ints, identity: Ints) -> Shortlist:
    width = int(identity.max(initial=0)) + 1
    row, identity = np.divmod(np.unique(row * width + identity), width)
    return Shortlist(row, identity)
