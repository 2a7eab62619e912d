"""Learns anew from all tracks of the window, and gathers the evidence between them: in slices, as it takes long."""

from __future__ import annotations

import numpy as np

from relaytrack.trackers.identities.affinity import Cohort
from relaytrack.trackers.identities.clustering import Evidence
from relaytrack.trackers.identities.pairs import PairEvidence
from relaytrack.trackers.identities.slices import Slices, blocks, pause
from relaytrack.trackers.identities.topology import CONFIDENT, gaps, is_later
from relaytrack.trackers.identities.types import Floats, Ints


def learn(pairs: PairEvidence, slots: Ints) -> Slices[Floats]:
    """Learn means and cohorts anew from these tracks (N,).

    Returns:
        (N, N) scores of appearance; NaN for pairs with a track that had no embedding when this began. A track may
        get its first one between two slices; until the next correction it counts as unknown.
    """
    pairs.fit()
    table = pairs.table
    cameras = table.camera[slots]
    known = table.weight[slots] > 0
    count = len(table.cameras)
    scores = np.full((len(slots), len(slots)), np.nan, np.float32)
    some, where = slots[known], cameras[known]
    if len(some) == 0:
        return scores
    pairs.appearance.learn(table.feature[some], where, count)
    centred = pairs.centred[some] = pairs.appearance.centre(table.feature[some], where)
    similarity = np.empty((len(some), len(some)), np.float32)
    parts = blocks(len(some), len(some), 2)
    for part in parts:
        # a copy: NumPy multiplies a matrix by its own transpose with another routine, and other last digits
        similarity[part] = centred[part].copy() @ centred.T
        yield from pause(parts)
    pairs.appearance.calibrate(similarity, table.conflicts(some, some))
    yield from pause(parts)
    mean, deviation = np.empty((2, len(some), count), np.float32)
    for part in parts:
        own = np.arange(part.start, part.stop)
        cohort = pairs.appearance.cohort(similarity[part], where, count, own)
        mean[part], deviation[part] = cohort.mean, cohort.deviation
        yield from pause(parts)
    places, every = np.flatnonzero(known), Cohort(mean, deviation)
    pairs.cohorts.put(some, every)
    for part in parts:
        own_cohort = Cohort(mean[part], deviation[part])
        found = pairs.appearance.scores(similarity[part], own_cohort, where[part], every, where)
        scores[np.ix_(places[part], places)] = found
        yield from pause(parts)
    return scores


def learn_times(pairs: PairEvidence, slots: Ints, scores: Floats) -> Slices[None]:
    """Learn the travel times from pairs that are certain by appearance alone; `scores` as of `learn`."""
    table = pairs.table
    counts = pairs.travel.counts(len(table.cameras))
    start, last, camera = table.start[slots], table.last[slots], table.camera[slots]
    parts = blocks(len(slots), len(slots))
    for part in parts:
        own = slots[part]
        gap = gaps(start[part, None], last[part, None], start, last)
        later = is_later(start[part, None], start, own[:, None], slots)
        usable = ~table.conflicts(own, slots) & ~np.isnan(scores[part])
        sure = usable & (scores[part] > CONFIDENT)
        counts.add(gap, later, camera[part], camera, pairs.kinds_of(later, own[:, None], slots), sure, usable)
        yield from pause(parts)
    yield from pairs.travel.learn(counts)


def among(pairs: PairEvidence, slots: Ints, scores: Floats) -> Slices[Evidence]:
    """Evidence between all pairs of tracks (N,), from their scores (N, N) as of `learn`."""
    parts = blocks(len(slots), len(slots))
    if len(parts) == 1:
        return pairs.between(slots, slots, scores)
    whole = Evidence.unfilled(len(slots))
    for part in parts:  # each pair once: tracks move on between two slices, and the matrices stay symmetric
        whole.fill(part, pairs.between(slots[part], slots[part.start :], scores[part, part.start :]))
        yield
    return whole
