"""Agglomerative clustering of tracks under constraints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.identities.slices import Slices, blocks, finish, large, over, pause
from relaytrack.trackers.identities.types import Ints

Doubles = NDArray[np.float64]
Matrix = NDArray[np.float32]
Bools = NDArray[np.bool_]
_CANNOT_LINK = np.float32(-1e12)
"""Stands for `cannot_link` among the sums, which no evidence can make up for."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What speaks for and against each pair of N nodes being one person; all matrices (N, N), symmetric.

    Attributes:
        mean: scores that are averaged over the pairs of two groups, times their `weight`.
        weight: how much a pair counts in that average.
        extra: scores that add up over the pairs of two groups (motion, ground), bounded by `limits`.
        link: scores of which the greatest over the pairs of two groups counts (time between sightings).
        cannot_link: pairs that are two people for certain.
        limits: least and greatest that `extra` may count for between two groups.
    """

    mean: Matrix
    weight: Matrix
    extra: Matrix
    link: Matrix
    cannot_link: Bools
    limits: tuple[float, float] = (-12.0, 10.0)

    @classmethod
    def unfilled(cls, count: int) -> Evidence:
        """Matrices (count, count) without values, for `fill`."""
        mean, weight, extra, link = np.empty((4, count, count), np.float32)
        return cls(mean, weight, extra, link, np.empty((count, count), bool))

    def fill(self, part: slice, found: Evidence) -> None:
        """Set rows.

        Args:
            part: the rows (P,); those above are filled already, and give the columns left of `part`.
            found: the evidence between them and the nodes from `part.start` on, (P, N - part.start).
        """
        for name in ("mean", "weight", "extra", "link", "cannot_link"):
            matrix = getattr(self, name)
            matrix[part, : part.start] = matrix[: part.start, part].T
            matrix[part, part.start :] = getattr(found, name)

    def part(self, index: Ints) -> Evidence:
        """The same for some of the nodes."""
        grid = (index[:, None], index)
        return Evidence(
            self.mean[grid],
            self.weight[grid],
            self.extra[grid],
            self.link[grid],
            self.cannot_link[grid],
            self.limits,
        )

    def score(self, part: slice = slice(None)) -> Matrix:
        """(N, N) scores of each pair, or some rows of them; -inf where it must not be joined."""
        low, high = self.limits
        mean, extra = self.mean[part], np.clip(self.extra[part], low, high)
        scores = mean / np.maximum(self.weight[part], 1e-6) + extra + self.link[part]
        scores[self.cannot_link[part]] = -np.inf
        rows = np.arange(len(scores))
        scores[rows, rows + (part.start or 0)] = -np.inf
        return np.asarray(scores, np.float32)


def agglomerate(evidence: Evidence) -> Ints:
    """As `agglomerating`, at once."""
    return finish(agglomerating(evidence))


def agglomerating(evidence: Evidence) -> Slices[Ints]:
    """Join the most alike two groups again and again while their score is above 0.

    The score of two groups is the average linkage (UPGMA) over `Evidence.mean`, plus the bounded sum of
    `Evidence.extra`, plus the greatest `Evidence.link` (whether their nearest sightings follow each other). A group
    inherits `cannot_link` from its members: it never holds two nodes that cannot be linked. Ties go to the lower
    indices, so that the result depends on the input alone.

    Args:
        evidence: between N nodes.

    Returns:
        (N,) int64 labels 0, 1, ... in order of each group's first node.
    """
    if len(evidence.cannot_link) == 0:
        return np.zeros(0, np.int64)
    parent = yield from _join(evidence)
    return _in_order(parent)


def _join(evidence: Evidence) -> Slices[Ints]:
    low, high = evidence.limits
    count = len(evidence.mean)
    sums, link, score = (np.empty((*more, count, count), np.float32) for more in ((3,), (), ()))
    parts = blocks(count, count)
    for part in parts:
        sums[0, part], sums[1, part], sums[2, part] = evidence.mean[part], evidence.weight[part], evidence.extra[part]
        sums[2, part][evidence.cannot_link[part]] = _CANNOT_LINK
        link[part], score[part] = evidence.link[part], evidence.score(part)
        yield from pause(parts)
    parent, rows = np.arange(count), np.arange(count)
    alive = np.ones(count, bool)
    partner = score.argmax(axis=1)
    best = score[rows, partner]
    joined = 0
    while True:
        a = int(best.argmax())
        if not best[a] > 0:
            return parent
        joined += 1
        if large(count * count) and over(joined, count):
            yield
        b = int(partner[a])
        a, b = min(a, b), max(a, b)
        parent[parent == b] = a
        alive[b] = False
        merged = sums[:, a]
        merged += sums[:, b]
        sums[:, :, a] = merged
        np.maximum(link[a], link[b], out=link[a])
        link[:, a] = link[a]
        mean, weight, extra = merged
        row = mean / np.maximum(weight, 1e-6) + np.minimum(np.maximum(extra, low), high) + link[a]
        row[(extra < _CANNOT_LINK / 2) | ~alive] = -np.inf
        row[a] = -np.inf
        score[a] = score[:, a] = row
        score[b] = score[:, b] = -np.inf
        best[b] = -np.inf
        stale = (partner == a) | (partner == b)
        stale[a] = True
        better = row > best
        best[better] = row[better]
        partner[better] = a
        again = (stale & ~better & alive).nonzero()[0]
        block = score[again]
        partner[again] = chosen = block.argmax(axis=1)
        best[again] = block[np.arange(len(again)), chosen]


def _in_order(labels: Ints) -> Ints:
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(len(first))
    return np.asarray(rank[inverse.reshape(-1)], np.int64)
