"""How long people take from one camera to the other, learned while the run goes on.

For each pair of cameras, and direction, the gaps between two sightings of confidently same people are
compared with the gaps between any two sightings: the logarithm of the ratio of the two frequencies is
evidence. Rare pairs of cameras lean on the frequencies of all pairs (Makris, Ellis and Black, "Bridging the
gaps between cameras", CVPR 2004, is the model for taking appearance as weight rather than as truth).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trackers.identities.types import Floats, Ints

Doubles = NDArray[np.float64]
EDGES = np.array([0.0, 0.5, 1, 2, 4, 7, 12, 20, 35, 60, 100, 200, 400, 800, 1600, 3200])
"""Bounds of the gaps' classes in seconds; class 0 is sightings at the same time, the last one open."""
CLASSES = len(EDGES) + 1
CONFIDENT = 1.0
POOL, OWN = 20.0, 20.0
LIMIT = 4.0


def gaps(start: Doubles, last: Doubles, starts: Doubles, lasts: Doubles) -> Doubles:
    """Seconds between the sightings of rows (N,) and columns (M,): 0 or less when they overlap in time."""
    return np.maximum(start[:, None] - lasts[None, :], starts[None, :] - last[:, None])


class TravelTimes:
    """Log-ratios of gaps of the same person to gaps of any two tracks, by ordered pair of cameras."""

    def __init__(self) -> None:
        self._count = 0
        self._same = np.zeros((0, 0, CLASSES))
        self._any = np.zeros((0, 0, CLASSES))
        self._table = np.zeros((0, 0, CLASSES), np.float32)

    def learn(self, gap: Doubles, later: NDArray[np.bool_], cameras: Ints, weight: Floats, count: int) -> None:
        """Estimate anew from the tracks in the window.

        Args:
            gap: (N, N) as of `gaps`.
            later: (N, N) whether the column's track began after the row's: pairs are counted once, as
                (row's camera, column's camera).
            cameras: (N,) camera indices.
            weight: (N, N) confidence 0..1 that the pair is one person; NaN for pairs not to be counted.
            count: number of cameras.
        """
        use = later & np.isfinite(weight)
        row, column = np.nonzero(use)
        if len(row) == 0:
            return
        bins = self._classes(gap[row, column])
        flat = (cameras[row] * count + cameras[column]) * CLASSES + bins
        shape, size = (count, count, CLASSES), count * count * CLASSES
        same = np.bincount(flat, weight[row, column], size).reshape(shape).astype(np.float64)
        everything = np.bincount(flat, minlength=size).reshape(shape).astype(np.float64)
        self._table = self._ratios(same, everything, count).astype(np.float32)
        self._same, self._any, self._count = same, everything, count

    def points(self, gap: Doubles, later: NDArray[np.bool_], cameras: Ints, others: Ints) -> Floats:
        """(N, M) natural logarithm of the ratio, 0 where nothing is known."""
        if self._count == 0:
            return np.zeros(gap.shape, np.float32)
        last = self._count - 1
        row, column = np.minimum(cameras, last)[:, None], np.minimum(others, last)[None, :]
        pair = np.where(later, row * self._count + column, column * self._count + row)
        points = self._table.reshape(-1)[pair * CLASSES + self._classes(gap)]
        if max(cameras.max(initial=0), others.max(initial=0)) > last:
            points[(cameras > last)[:, None] | (others > last)[None, :]] = 0
        return points

    def median(self, first: int, second: int) -> float | None:
        """Median seconds from one camera to the other by the classes' middles; None without sightings."""
        if max(first, second) >= self._count or self._same[first, second].sum() < 3:
            return None
        share = np.cumsum(self._same[first, second, 1:])
        index = int(np.searchsorted(share, share[-1] / 2))
        return float(EDGES[min(index, len(EDGES) - 1)])

    @staticmethod
    def _classes(gap: Doubles) -> Ints:
        return np.asarray(np.searchsorted(EDGES, gap, side="left"), np.int64)

    @staticmethod
    def _ratios(same: Doubles, everything: Doubles, count: int) -> Doubles:
        cross = ~np.eye(count, dtype=bool)
        out = np.zeros_like(everything)
        for mask in (cross, ~cross):
            total, number = everything[mask].sum(axis=0), same[mask].sum(axis=0)
            if total.sum() == 0:
                continue
            base = total / total.sum()
            pooled = (number + POOL * base) / (number.sum() + POOL)
            ratio = np.where(base > 0, pooled / np.maximum(base, 1e-12), 1.0)
            background = everything[mask] + 1e-9
            background /= background.sum(axis=1, keepdims=True)
            expected = background * ratio
            expected /= expected.sum(axis=1, keepdims=True)
            own = same[mask]
            own = (own + OWN * expected) / (own.sum(axis=1, keepdims=True) + OWN)
            out[mask] = np.clip(np.log(own / np.maximum(background, 1e-12) + 1e-9), -LIMIT, LIMIT)
        return out
