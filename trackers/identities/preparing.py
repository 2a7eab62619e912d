"""Makes new tracks ready to be compared: their centred embeddings, their cohorts, their similarities to the others."""

from __future__ import annotations

import numpy as np

from relaytrack.trackers.identities.learning import learn
from relaytrack.trackers.identities.pairs import PairEvidence
from relaytrack.trackers.identities.slices import finish
from relaytrack.trackers.identities.types import Floats, Ints

SMALL = 64
"""Tracks up to which the cameras' means are learned anew at each decision."""


def prepare(pairs: PairEvidence, new: Ints, window: Ints) -> Floats:
    """Make the centred embeddings and cohorts of new tracks (N,); their (N, M) similarities to the window."""
    table = pairs.table
    pairs.appearance.tracks = len(window)
    _centre(pairs, new)
    if len(window) <= SMALL:
        finish(learn(pairs, window))
        return _alike(pairs, new, window)
    similarity = _alike(pairs, new, window)
    looks, known = table.weight[new] > 0, table.weight[window] > 0
    if looks.any():
        place = np.empty(table.size, np.int64)
        place[window[known]] = np.arange(np.count_nonzero(known))
        values = similarity if known.all() and looks.all() else similarity[np.ix_(looks, known)]
        where, count = table.camera[window[known]], len(table.cameras)
        pairs.cohorts.put(new[looks], pairs.appearance.cohort(values, where, count, place[new[looks]]))
    return similarity


def prepare_many(pairs: PairEvidence, new: Ints) -> Floats:
    """As `prepare`, for a table of many tracks; (N, S) similarities to all slots up to the last one in use."""
    table = pairs.table
    pairs.appearance.tracks = len(table)
    _centre(pairs, new)
    slots = np.flatnonzero(table.used)
    similarity = np.zeros((len(new), int(slots[-1]) + 1), np.float32)
    if similarity.shape[1] > 2 * len(slots):
        similarity[:, slots] = pairs.centred[new] @ pairs.centred[slots].T
    else:
        np.matmul(pairs.centred[new], pairs.centred[: similarity.shape[1]].T, out=similarity)
    looks, known = table.weight[new] > 0, slots[table.weight[slots] > 0]
    if looks.any():
        some, where, count = new[looks], table.camera[known], len(table.cameras)
        values = similarity if looks.all() else similarity[looks]
        pairs.cohorts.put(some, pairs.appearance.cohort(values, where, count, some, known))
    return similarity


def _centre(pairs: PairEvidence, new: Ints) -> None:
    """Centre the embeddings of new tracks (N,); without one the slot is emptied: an earlier track may have used it."""
    table = pairs.table
    pairs.fit()
    looks = table.weight[new] > 0
    pairs.centred[new[~looks]] = 0
    some = new[looks]
    if len(some):
        pairs.centred[some] = pairs.appearance.centre(table.feature[some], table.camera[some])


def _alike(pairs: PairEvidence, slots: Ints, others: Ints) -> Floats:
    """(N, M) similarities; what lies close together in the table is multiplied in place."""
    reach = int(others.max(initial=-1)) + 1
    if reach > 2 * len(others):
        return np.asarray(pairs.centred[slots] @ pairs.centred[others].T, np.float32)
    return (pairs.centred[slots] @ pairs.centred[:reach].T).take(others, axis=1)
