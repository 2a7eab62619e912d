"""How much speaks for a track having its identity: the score that a correction tells."""

from __future__ import annotations

import numpy as np

from relaytrack.trackers.identities.equal_pairs import equal_pairs
from relaytrack.trackers.identities.pairs import PairEvidence
from relaytrack.trackers.identities.types import Ints

_FEW = 16
"""Tracks up to which each is looked at by itself; corrections of large sites change hundreds at once."""


def revision_scores(pairs: PairEvidence, slots: Ints) -> list[float | None]:
    """Points of evidence for tracks (N,) having their identities; None where that has no other track in the window."""
    if len(slots) <= _FEW or pairs.floor:
        return [_score(pairs, slot) for slot in slots.tolist()]
    table = pairs.table
    every = np.flatnonzero(table.used)
    row, column = equal_pairs(table.identity[slots], table.identity[every])
    one, other = slots[row], every[column]
    row, one, other = row[one != other], one[one != other], other[one != other]
    out: list[float | None] = [None] * len(slots)
    if len(row) == 0:
        return out
    similarity = np.einsum("pd,pd->p", pairs.centred[one], pairs.centred[other])
    found = pairs.of_pairs(one, other, similarity)
    begins = np.flatnonzero(np.diff(row, prepend=-1))
    mean, weight, extra = (np.add.reduceat(part, begins) for part in (found.mean, found.weight, found.extra))
    link = np.maximum.reduceat(found.link, begins)
    points = mean / np.maximum(weight, 1e-6) + np.clip(extra, *found.limits) + link
    for place, value in zip(row[begins].tolist(), points.tolist(), strict=True):
        out[place] = round(value, 3)
    return out


def _score(pairs: PairEvidence, slot: int) -> float | None:
    table = pairs.table
    others = np.flatnonzero(table.used & (table.identity == table.identity[slot]))
    others = others[others != slot]
    if len(others) == 0:
        return None
    found = pairs.between(np.array([slot], np.int64), others)
    low, high = found.limits
    points = found.mean.sum() / max(float(found.weight.sum()), 1e-6)
    return round(float(points + np.clip(found.extra.sum(), low, high) + found.link.max()), 3)
