"""Corrections: all tracks of the window grouped anew, with the known identities that they have or resemble."""

from __future__ import annotations

import numpy as np

from relaytrack.trackers.association.assignment import assign
from relaytrack.trackers.identities.clustering import Evidence, agglomerate
from relaytrack.trackers.identities.types import Floats, Ints, Revision
from relaytrack.trackers.identities.window import Window


def revise(window: Window) -> tuple[list[Revision], int]:
    """Group all tracks of the window anew, and give each group the identity that most of its frames had.

    Returns:
        what changed, and the number of nodes that were grouped (the cost grows as its square).
    """
    table, pairs, params = window.table, window.pairs, window.params
    slots = table.slots()
    if len(slots) == 0:
        return [], 0
    scores = pairs.learn(slots)
    if params.time_weight > 0:
        pairs.learn_times(slots, scores)
    evidence = pairs.between(slots, slots, scores)
    same = table.identity[slots][:, None] == table.identity[slots][None, :]
    evidence.mean[same] += params.stability * evidence.weight[same]
    evidence, fixed = _with_known(window, slots, evidence)
    start = np.concatenate([np.arange(len(slots)), len(slots) + fixed])
    labels = agglomerate(evidence, start)
    before = table.identity[slots].copy()
    table.identity[slots] = _names(window, slots, labels, fixed)
    return window.revisions(slots, before), len(slots) + len(fixed)


def _with_known(window: Window, slots: Ints, evidence: Evidence) -> tuple[Evidence, Ints]:
    """Add nodes for known identities that tracks of the window have or resemble.

    Returns:
        the larger evidence and the (K,) identities of the nodes added.
    """
    gallery, table, pairs = window.gallery, window.table, window.pairs
    if len(gallery) == 0:
        return evidence, np.zeros(0, np.int64)
    names = window.resembled(slots)
    names |= {name for name in table.identity[slots].tolist() if name in gallery}
    if not names:
        return evidence, np.zeros(0, np.int64)
    kept = [gallery.kept(name) for name in sorted(names)]
    fixed = np.repeat(np.array(sorted(names), np.int64), [len(part) for part in kept])
    old, size = len(slots), len(slots) + len(fixed)
    similarity = pairs.centred[slots] @ np.concatenate(kept).T
    known = table.weight[slots] > 0
    cross = np.where(known[:, None], pairs.to_known(slots, similarity), -1.0)
    weight = np.repeat(np.where(known, 1.0, 0.1)[:, None], len(fixed), axis=1)
    own = table.identity[slots][:, None] == fixed[None]

    def grown(matrix: Floats, block: Floats) -> Floats:
        larger = np.zeros((size, size), np.float32)
        larger[:old, :old] = matrix
        larger[:old, old:], larger[old:, :old] = block, block.T
        return larger

    mean = grown(evidence.mean, (cross + window.params.stability * own) * weight)
    share = grown(evidence.weight, weight)
    extra = grown(evidence.extra, np.zeros_like(cross))
    link = grown(evidence.link, np.zeros_like(cross))
    cannot_link = np.zeros((size, size), bool)
    cannot_link[:old, :old] = evidence.cannot_link
    cannot_link[old:, old:] = fixed[:, None] != fixed[None]
    for row, slot in enumerate(slots.tolist()):
        for identity in window.barred.get(slot, ()):
            cannot_link[row, old:] |= fixed == identity
    cannot_link[old:, :old] = cannot_link[:old, old:].T
    return Evidence(mean, share, extra, link, cannot_link, evidence.limits), fixed


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
