"""Corrections: all tracks of the window grouped anew, with the known identities that they have or resemble."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.association.assignment import assign
from relaytrack.trackers.identities.clustering import Evidence, agglomerating
from relaytrack.trackers.identities.learning import among, learn, learn_times
from relaytrack.trackers.identities.slices import Slices, large
from relaytrack.trackers.identities.types import Floats, Ints, Revision
from relaytrack.trackers.identities.window import Window

Bools = NDArray[np.bool_]


def revise(window: Window) -> Slices[tuple[list[Revision], int]]:
    """Group the tracks of the window anew, and give each group the identity that most of its frames had.

    With more tracks than the window may hold, those that began last are grouped. No track may leave the table until
    the work is done.

    Returns:
        what changed, and the number of nodes that were grouped (the cost grows as its square).
    """
    table, pairs, params = window.table, window.pairs, window.params
    slots = table.slots()
    if not params.refine:
        slots = slots[max(len(slots) - params.window, 0) :]
    if len(slots) == 0:
        return [], 0
    scores = yield from learn(pairs, slots)
    if params.time_weight > 0:
        yield from learn_times(pairs, slots, scores)
    evidence = yield from among(pairs, slots, scores)
    same = table.identity[slots][:, None] == table.identity[slots][None, :]
    evidence.mean[same] += params.stability * evidence.weight[same]
    known = _known_people(window, slots, ~np.isnan(scores.diagonal()))
    if len(known.identity):
        evidence = yield from _with_known(evidence, known)
    labels = yield from agglomerating(evidence)
    if large(len(slots) ** 2):
        yield
    before = table.identity[slots].copy()
    table.identity[slots] = _names(window, slots, labels, known.identity)
    return window.revisions(slots, before), len(slots) + known.tracks


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """Known people that tracks of the window have or resemble, and the evidence about N tracks and P of them.

    Attributes:
        identity: (P,) in order.
        tracks: of theirs that are kept.
        mean, weight: (N, P) sums over each one's kept tracks, as of `Evidence`.
        barred: (N, P) pairs that are two people for certain.
    """

    identity: Ints
    tracks: int
    mean: Floats
    weight: Floats
    barred: Bools


def _known_people(window: Window, slots: Ints, known: Bools) -> _Known:
    """The known people, for tracks (N,) of which those of `known` (N,) have an embedding."""
    gallery, table, pairs = window.gallery, window.table, window.pairs
    names = window.resembled(slots) if len(gallery) else set()
    names |= {name for name in table.identity[slots].tolist() if name in gallery}
    identity = np.array(sorted(names), np.int64)
    if not names:
        none = np.zeros((len(slots), 0), np.float32)
        return _Known(identity, 0, none, none, none.astype(bool))
    kept = [gallery.kept(name) for name in identity.tolist()]
    number = np.array([len(part) for part in kept])
    fixed, begins = np.repeat(identity, number), np.cumsum(number) - number
    similarity = pairs.centred[slots] @ np.concatenate(kept).T
    cross = np.where(known[:, None], pairs.to_known(slots, similarity), -1.0)
    weight = np.repeat(np.where(known, 1.0, 0.1)[:, None], len(fixed), axis=1)
    own = table.identity[slots][:, None] == fixed[None]

    def summed(values: Floats) -> Floats:
        columns = np.ascontiguousarray(values.T, np.float32)
        return np.ascontiguousarray(np.add.reduceat(columns, begins, axis=0).T)

    barred = np.zeros((len(slots), len(identity)), bool)
    for row, slot in enumerate(slots.tolist()):
        for name in window.barred.get(slot, ()):
            barred[row] |= identity == name
    mean = summed((cross + window.params.stability * own) * weight)
    return _Known(identity, len(fixed), mean, summed(weight), barred)


def _with_known(evidence: Evidence, known: _Known) -> Slices[Evidence]:
    """The evidence with nodes for known people; two of them are never one."""
    old, size = len(evidence.mean), len(evidence.mean) + len(known.identity)
    nothing = np.zeros_like(known.mean)
    larger = []
    for matrix, block in (
        (evidence.mean, known.mean),
        (evidence.weight, known.weight),
        (evidence.extra, nothing),
        (evidence.link, nothing),
    ):
        grown = np.zeros((size, size), np.float32)
        grown[:old, :old] = matrix
        grown[:old, old:], grown[old:, :old] = block, block.T
        larger.append(grown)
        if large(size * size):
            yield
    cannot_link = np.zeros((size, size), bool)
    cannot_link[:old, :old] = evidence.cannot_link
    cannot_link[:old, old:], cannot_link[old:, :old] = known.barred, known.barred.T
    cannot_link[old:, old:] = ~np.eye(size - old, dtype=bool)
    mean, weight, extra, link = larger
    return Evidence(mean, weight, extra, link, cannot_link, evidence.limits)


def _names(window: Window, slots: Ints, labels: Ints, fixed: Ints) -> Ints:
    """The identity of each slot's group: the known one it holds, or the one most of its frames had."""
    table = window.table
    count = int(labels.max()) + 1
    named = np.zeros(count, np.int64)
    named[labels[len(slots) :]] = fixed
    groups = labels[: len(slots)]
    shown = table.identity[slots]
    frames = table.frames[slots].astype(np.float64)
    old, column = np.unique(shown, return_inverse=True)
    votes = np.zeros((count, len(old)))
    np.add.at(votes, (groups, column.reshape(-1)), frames)
    taken = np.array([name == 0 or name in window.gallery for name in old.tolist()])
    votes[:, taken] = 0
    votes[named > 0] = 0
    rows, columns = assign(votes)
    named[rows] = old[columns]
    for group in np.flatnonzero((named == 0) & (np.bincount(groups, minlength=count) > 0)).tolist():
        named[group] = window.new_identities(1)
    return named[groups]
