"""Scores of new tracks for the identities of their shortlist: the same numbers as `identity_scores` has for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.association.assignment import assign
from relaytrack.trackers.identities.equal_pairs import equal_pairs
from relaytrack.trackers.identities.gallery import Candidates
from relaytrack.trackers.identities.shortlist import Shortlist, likely
from relaytrack.trackers.identities.types import Floats, Ints
from relaytrack.trackers.identities.window import SHORTLIST, Window

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class PairScores:
    """Scores above 0 (K,), ordered by row and then as the columns of `identity_scores` are."""

    row: Ints
    identity: Ints
    score: Floats


def shortlisted_scores(window: Window, new: Ints, similarity: Floats) -> PairScores:
    """Scores above 0 of new tracks for identities, of the window and of the gallery.

    Args:
        window: the window; no camera has a ground plane.
        new: (N,) slots, prepared by `preparing.prepare_many`.
        similarity: (N, S) to all slots, as of there.
    """
    table, gallery = window.table, window.gallery
    found = likely(window, new, similarity)
    known = gallery.query(window.pairs.centred[new], SHORTLIST) if len(gallery) else None
    if known is not None and len(known.query):
        found = found.with_known(known)
    members = _members(window, new, found.identity)
    place, column = equal_pairs(found.identity, table.identity[members])
    row, slot = found.row[place], members[column]
    evidence = window.pairs.of_pairs(new[row], slot, similarity[row, slot])
    count = len(found.row)
    mean, weight, extra = (
        _joined(np.add, part, place, count) for part in (evidence.mean, evidence.weight, evidence.extra)
    )
    link = _joined(np.maximum, evidence.link, place, count)
    barred = _joined(np.logical_or, evidence.cannot_link, place, count)
    if known is not None and len(known.query):
        _add_known(window, new, known, found, mean, weight)
    _bar(window, new, found, barred)
    low, high = evidence.limits
    score = mean / np.maximum(weight, 1e-6) + np.clip(extra, low, high) + link
    good = np.flatnonzero((score > 0) & ~barred & (weight > 0))
    in_window = np.zeros(count, bool)
    in_window[place] = True
    good = good[np.lexsort((found.identity[good], ~in_window[good], found.row[good]))]
    return PairScores(found.row[good], found.identity[good], np.asarray(score[good], np.float32))


def choose(window: Window, new: Ints, found: PairScores) -> tuple[Ints, Floats]:
    """The identities (N,) of new tracks and their scores, 0 for none: one optimal assignment for each camera."""
    chosen, scores = np.zeros(len(new), np.int64), np.zeros(len(new), np.float32)
    if len(found.row) == 0:
        return chosen, scores
    begins = np.flatnonzero(np.diff(found.row, prepend=-1))
    best = np.maximum.reduceat(found.score, begins)
    number = np.diff(begins, append=len(found.row))
    first = np.flatnonzero(found.score == np.repeat(best, number))
    first = first[np.diff(found.row[first], prepend=-1) > 0]
    rows = found.row[first]
    chosen[rows], scores[rows] = found.identity[first], found.score[first]
    camera = window.table.camera[new]
    order = np.lexsort((chosen[rows], camera[rows]))
    wanted, where = chosen[rows][order], camera[rows][order]
    twice = (wanted[1:] == wanted[:-1]) & (where[1:] == where[:-1])
    for contested in np.unique(where[1:][twice]).tolist():
        _assign(np.flatnonzero(camera == contested), found, chosen, scores)
    return chosen, scores


def _assign(rows: Ints, found: PairScores, chosen: Ints, scores: Floats) -> None:
    """Assign the tracks of one camera among which two want one identity; sets `chosen` and `scores` in place."""
    some = np.isin(found.row, rows)
    names, column = np.unique(found.identity[some], return_inverse=True)
    # The columns stand in the order in which the scores do, so that equal scores fall as they always do.
    matrix = np.zeros((len(rows), len(names)), np.float32)
    matrix[np.searchsorted(rows, found.row[some]), column.reshape(-1)] = found.score[some]
    chosen[rows], scores[rows] = 0, 0
    picked, columns = assign(matrix)
    chosen[rows[picked]], scores[rows[picked]] = names[columns], matrix[picked, columns]


def _members(window: Window, new: Ints, identities: Ints) -> Ints:
    """The tracks of these identities but the new ones, in the order of `TrackletTable.slots`."""
    table = window.table
    other = table.used & (table.identity > 0)
    other[new] = False
    slots = np.flatnonzero(other)
    slots = slots[np.isin(table.identity[slots], identities)]
    order = np.lexsort((table.track[slots], table.camera[slots], table.start[slots]))
    return np.asarray(slots[order], np.int64)


def _joined(join: np.ufunc, values: Array, place: Ints, count: int) -> Array:
    """(count,) `values` (P,) joined by their place (P,), which is in order; 0 where there is none.

    The first one is joined with the others together, so that sums round as those of `identity_scores` do.
    """
    out = np.zeros(count, values.dtype)
    begin = np.diff(place, prepend=-1) > 0
    out[place[begin]] = values[begin]
    if not begin.all():
        rest = place[~begin]
        begins = np.flatnonzero(np.diff(rest, prepend=-1))
        shared = rest[begins]
        out[shared] = join(out[shared], join.reduceat(values[~begin], begins))
    return out


def _add_known(window: Window, new: Ints, known: Candidates, found: Shortlist, mean: Array, weight: Array) -> None:
    """Add what the gallery says of the pairs `found` (K,) to `mean` and `weight` (K,), in place."""
    width = int(found.identity.max(initial=0)) + 1
    place = np.searchsorted(found.row * width + found.identity, known.query * width + known.identity)
    scores = window.pairs.to_known(new[known.query], known.similarity[:, None])[:, 0]
    window.note_resembled(new, known, scores)
    held = window.gallery.held(known.identity).astype(np.float32)
    mean[place] += scores * held
    weight[place] += held


def _bar(window: Window, new: Ints, found: Shortlist, barred: Array) -> None:
    """Note identities that closed tracks keep new ones from having."""
    if not window.barred:
        return
    for row, slot in enumerate(new.tolist()):
        for identity in window.barred.get(slot, ()):
            barred[(found.row == row) & (found.identity == identity)] = True
