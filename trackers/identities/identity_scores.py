"""Scores of new tracks for identities where all pairs of tracks are looked at; `shortlist` looks at fewer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.identities.clustering import Evidence
from relaytrack.trackers.identities.gallery import Candidates
from relaytrack.trackers.identities.types import Floats, Ints
from relaytrack.trackers.identities.window import SHORTLIST, Window

Array = NDArray[Any]


def identity_scores(window: Window, new: Ints, evidence: Evidence, names: Ints, column: Ints) -> tuple[Ints, Floats]:
    """Scores of new tracks for identities, of the window and of the gallery.

    Args:
        window: the window.
        new: (N,) slots.
        evidence: between the N tracks and M tracks of the window.
        names: identities of these M tracks.
        column: (M,) which of the names each has.

    Returns:
        (I,) identities and (N, I) scores.
    """
    gallery = window.gallery
    known = gallery.query(window.pairs.centred[new], SHORTLIST) if len(gallery) else None
    extra = np.setdiff1d(known.identity, names) if known is not None else np.zeros(0, np.int64)
    everyone = np.concatenate([names, extra])
    mean, weight, more, link, cannot_link = (
        _wider(_by_group(join, part, column, len(names)), len(extra))
        for join, part in (
            (np.add, evidence.mean),
            (np.add, evidence.weight),
            (np.add, evidence.extra),
            (np.maximum, evidence.link),
            (np.logical_or, evidence.cannot_link),
        )
    )
    if known is not None and len(known.query):
        _add_known(window, new, known, everyone, mean, weight)
    for row, slot in enumerate(new.tolist()):
        for identity in window.barred.get(slot, ()):
            cannot_link[row, everyone == identity] = True
    low, high = evidence.limits
    score = mean / np.maximum(weight, 1e-6) + np.clip(more, low, high) + link
    score[cannot_link | (weight == 0)] = -1e6
    return everyone, np.asarray(score, np.float32)


def _add_known(window: Window, new: Ints, known: Candidates, everyone: Ints, mean: Array, weight: Array) -> None:
    """Add what the gallery says of `everyone` (I,) to `mean` and `weight` (N, I), in place."""
    order = np.argsort(everyone, kind="stable")
    place = order[np.searchsorted(everyone, known.identity, sorter=order)]
    scores = window.pairs.to_known(new[known.query], known.similarity[:, None])[:, 0]
    window.note_resembled(new, known, scores)
    held = window.gallery.held(known.identity).astype(np.float32)
    np.add.at(mean, (known.query, place), scores * held)
    np.add.at(weight, (known.query, place), held)


def _by_group(join: np.ufunc, values: Array, group: Ints, count: int) -> Array:
    """(N, count) the columns of `values` (N, M) joined by their group (M,) of 0..count-1, none of them empty."""
    first = np.full(count, -1)
    first[group[::-1]] = np.arange(len(group))[::-1]
    alone = len(first) == len(group) and bool((first[1:] > first[:-1]).all())
    out = values if alone else values.take(first, axis=1)
    more = np.ones(len(group), bool)
    more[first] = False
    rest = np.flatnonzero(more)
    if len(rest):
        rest = rest[np.argsort(group[rest], kind="stable")]
        shared, begins = np.unique(group[rest], return_index=True)
        out[:, shared] = join(out[:, shared], join.reduceat(values[:, rest], begins, axis=1))
    return out


def _wider(values: Array, columns: int) -> Array:
    """(N, M + columns) `values` (N, M) with columns of zeros after them."""
    return np.hstack([values, np.zeros((len(values), columns), values.dtype)]) if columns else values
