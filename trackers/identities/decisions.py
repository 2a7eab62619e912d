"""Identities for new tracks: all cameras of a step together, one optimal assignment per camera."""

from __future__ import annotations

import numpy as np

from relaytrack.trackers.association.assignment import assign
from relaytrack.trackers.identities.clustering import agglomerate
from relaytrack.trackers.identities.identity_scores import identity_scores
from relaytrack.trackers.identities.preparing import prepare, prepare_many
from relaytrack.trackers.identities.shortlisted_scores import choose, shortlisted_scores
from relaytrack.trackers.identities.types import Floats, Ints, Revision
from relaytrack.trackers.identities.window import Window

ALL = 512
"""Tracks up to which all pairs are looked at; among more, those of a shortlist. The decisions are the same."""
TOGETHER = 512
"""New tracks that are decided together at most; more begin at once only when a large site starts."""
_IMPOSSIBLE = -3.0
"""Score of two new tracks below which they cannot be one person."""


def decide(window: Window, new: Ints) -> None:
    """Give new tracks (N,) identities: known ones where the score is above 0, else new ones."""
    for part in _parts(window.table.camera[new]):
        _decide(window, new[part])


def _decide(window: Window, new: Ints) -> None:
    pairs = window.pairs
    many = len(window.table) > ALL and pairs.can_shortlist
    chosen, scores, alike = (_among_many if many else _among_all)(window, new)
    own = pairs.between(new, new, similarity=alike)
    _untangle(chosen, scores, own.score())
    left = np.flatnonzero(chosen == 0)
    if len(left):
        labels = agglomerate(own.part(left))
        chosen[left] = window.new_identities(int(labels.max()) + 1) + labels
    window.table.identity[new] = chosen


def _among_all(window: Window, new: Ints) -> tuple[Ints, Floats, Floats]:
    """The known identities of new tracks (N,) or 0, their scores, and the (N, N) similarities of the tracks."""
    table, pairs = window.table, window.pairs
    slots = table.slots()
    similarity = prepare(pairs, new, slots)
    place = np.full(table.size, -1)
    place[slots] = np.arange(len(slots))
    old = table.identity[slots] > 0
    old[place[new]] = False
    others = slots[old]
    evidence = pairs.between(new, others, similarity=similarity[:, old])
    names, column = np.unique(table.identity[others], return_inverse=True)
    names, score = identity_scores(window, new, evidence, names, column.reshape(-1))
    chosen = np.zeros(len(new), np.int64)
    scores = np.zeros(len(new), np.float32)
    for camera in np.unique(table.camera[new]).tolist():
        rows = np.flatnonzero(table.camera[new] == camera)
        picked, columns = assign(score[rows])
        chosen[rows[picked]] = names[columns]
        scores[rows[picked]] = score[rows[picked], columns]
    return chosen, scores, similarity[:, place[new]]


def _among_many(window: Window, new: Ints) -> tuple[Ints, Floats, Floats]:
    """As `_among_all`, by a shortlist."""
    similarity = prepare_many(window.pairs, new)
    chosen, scores = choose(window, new, shortlisted_scores(window, new, similarity))
    return chosen, scores, similarity[:, new]


def _parts(cameras: Ints) -> list[Ints]:
    """The rows of new tracks, by their cameras (N,): all together, or whole cameras up to `TOGETHER` tracks."""
    if len(cameras) <= TOGETHER:
        return [np.arange(len(cameras))]
    order = np.argsort(cameras, kind="stable")
    begins = np.flatnonzero(np.diff(cameras[order], prepend=-1))
    cuts, filled = list[int](), 0
    for begin, end in zip(begins.tolist(), [*begins[1:].tolist(), len(order)], strict=True):
        if end - filled > TOGETHER and begin > filled:
            cuts.append(begin)
            filled = begin
    return np.split(order, cuts)


def decide_again(window: Window, slots: Ints) -> list[Revision]:
    """Decide tracks (N,) anew; a track that joins nobody keeps the identity that it had."""
    table = window.table
    before = table.identity[slots].copy()
    following = window.following
    table.identity[slots] = 0
    decide(window, slots)
    after = table.identity[slots]
    for identity in np.unique(after[after >= following]).tolist():
        table.identity[slots[after == identity]] = before[after == identity].min()
    window.following = following
    return window.revisions(slots, before)


def _untangle(chosen: Ints, scores: Floats, between: Floats) -> None:
    """Where two new tracks with one identity cannot be one person, the one of lower score loses the identity."""
    clash = (chosen[:, None] == chosen[None, :]) & (chosen > 0) & (between < _IMPOSSIBLE)
    np.fill_diagonal(clash, val=False)
    if not clash.any():
        return
    for row in np.argsort(-scores, kind="stable").tolist():
        if chosen[row] == 0:
            continue
        rivals = np.flatnonzero((chosen == chosen[row]) & (between[row] < _IMPOSSIBLE))
        weaker = rivals[scores[rivals] <= scores[row]]
        chosen[weaker[weaker != row]] = 0
