"""How long people take from one camera to the other, learned while the run goes on.

For each ordered pair of cameras the gaps between consecutive sightings of confidently same people are
compared with the gaps between any two sightings: the logarithm of the ratio of the two frequencies is
evidence (after Makris, Ellis and Black, "Bridging the gaps between cameras", CVPR 2004, and Javed et al.,
"Modeling inter-camera space-time and appearance relationships", CVIU 2008). Before anything is learned, and
for pairs of cameras that share few people, assumed ratios hold: who walks out of one picture is seen in the
next within seconds; who is lost inside a picture turns up there again; who left otherwise is a stranger when
somebody alike comes much later, unless it turns out that people do come back. Times given beforehand for a
pair of cameras take the place of all that.

Sightings that overlap in time by more than `CLOCKS` are counted apart: cameras that share no view never
show one person at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.identities.types import Floats, Ints

Doubles = NDArray[np.float64]
Bools = NDArray[np.bool_]
EDGES = np.array([0.0, 0.5, 1, 2, 4, 7, 12, 20, 35, 60, 100, 200, 400, 800, 1600, 3200])
"""Bounds of the gaps' classes in seconds; class 0 is sightings that touch, the last one is open."""
CLASSES = len(EDGES) + 1
UNKNOWN, INSIDE, BORDER = 0, 1, 2
"""Where in the picture a track began or ended."""
KINDS = 10
CONFIDENT = 1.0
"""Points of appearance from which a pair counts as one person for learning."""
_KIND = np.array([0, 0, 0, 0, 2, 3, 0, 4, 5, 1, 1, 1, 1, 6, 7, 1, 8, 9])
"""Kind of a way by 9 x same camera + 3 x where the one ended + where the other began; see `kinds`."""
POOL, OWN = 300.0, 50.0
"""Sightings that the assumption counts for, and that all pairs of cameras count for beside one pair."""
FIRM, WALK, SOON = 30.0, 5, 6
"""Where it is known how people left, both count this much more, but for the first `SOON` gaps of kind `WALK`.

So a few people who look alike do not undo the assumption that people who left do not come back."""
VAGUE = 1 / 3
"""Weight of the time alone, where it is not known how people left."""
CLOCKS = 3.0
"""Seconds by which the cameras' clocks may differ."""
LIMIT = 6.0
PASSERS_BY = 0.001
"""The return ratio where nothing is said: who walked out does not come back."""


_SOON = 2.4
"""Assumed ratio for the seconds in which most people are seen again."""
_UNKNOWN_RATIOS = (4.0, 8, 8, 8, 8, 4, 2, 1, 0.5, 0.3, 0.2, 0.15, 0.12, 0.1, 0.1, 0.1, 0.1)
_LOST = (0.3, 0, 0, 0, 0, 0.1, 0.3, 0.5, 0.8)
_LEFT = (0.1, 0, 0, 0, 0, 0.2, 0.6, 1.0, 1.0)
_ODD = (0.3, 0.2, 0.2, 0.2, 0.2, 0.4, 0.7, 1.0, 1.0)
"""Powers of the return ratio by class: lost inside a picture, left for another camera, anything else."""


def assumed(returns: float) -> Doubles:
    """(KINDS, CLASSES) ratios before anything is learned; see `kinds` for the order.

    Args:
        returns: ratio, against chance, of people who come back long after they left the pictures.
    """
    ways = [_ODD, _ODD, _ODD, _LEFT, _LOST, _ODD, _ODD, _ODD]
    powers = np.array([(*way, *[1.0] * (CLASSES - len(way))) for way in ways])
    return np.vstack([[_UNKNOWN_RATIOS, _UNKNOWN_RATIOS], _SOON * returns**powers])


def gaps(start: Doubles, last: Doubles, starts: Doubles, lasts: Doubles) -> Doubles:
    """Seconds between the sightings of rows (N,) and columns (M,): negative when they overlap in time."""
    return np.maximum(start[:, None] - lasts[None, :], starts[None, :] - last[:, None])


def kinds(later: Bools, same_camera: Bools, row: tuple[Ints, Ints], column: tuple[Ints, Ints]) -> Ints:
    """(N, M) kind of the way between two sightings.

    Args:
        later: whether the column's track is the later one.
        same_camera: whether both are of one camera.
        row: where the rows' tracks began and where they ended, each (N,): UNKNOWN, INSIDE, BORDER.
        column: the same for the columns' tracks, each (M,).

    Returns:
        0, 1: unknown (other, same camera); 2..5 other camera, 6..9 same camera: inside -> inside,
        inside -> border, border -> inside, border -> border.
    """
    began, ended = row[0].astype(np.int8)[:, None], 3 * row[1].astype(np.int8)[:, None]
    left = np.where(later, ended, 3 * column[1].astype(np.int8))
    way = np.where(later, column[0].astype(np.int8), began)
    way += left
    way += 9 * same_camera.view(np.int8)
    return _KIND.take(way)


class TravelTimes:
    """Log-ratios of gaps of the same person to gaps of any two tracks, by ordered pair of cameras.

    Args:
        returns: as of `assumed`.

    Attributes:
        given: (from, to) camera indices -> (least, greatest) seconds that the way takes, known beforehand.
    """

    def __init__(self, returns: float = PASSERS_BY) -> None:
        self.given: dict[tuple[int, int], tuple[float, float]] = {}
        self._assumed = assumed(returns)
        self._count = 0
        self._same = np.zeros((0, KINDS, CLASSES))
        self._table = np.zeros((0, KINDS, CLASSES), np.float32)
        self._both = np.zeros((0, 0), np.float32)

    @property
    def learned(self) -> bool:
        """Whether anything was learned yet."""
        return self._count > 0

    def learn(
        self, gap: Doubles, later: Bools, cameras: Ints, kind: Ints, sure: Bools, usable: Bools, count: int
    ) -> None:
        """Estimate anew from the tracks in the window.

        Args:
            gap: (N, N) as of `gaps`.
            later: (N, N) whether the column's track began after the row's.
            cameras: (N,) camera indices.
            kind: (N, N) as of `kinds`.
            sure: (N, N) pairs that are surely one person.
            usable: (N, N) pairs that may be.
            count: number of cameras.
        """
        pair = cameras[:, None] * count + cameras[None, :]
        in_turn = gap > -CLOCKS
        counted = usable & later & in_turn
        shape = (count * count, KINDS, CLASSES)

        def histogram(pairs: Ints, kind_of: Ints, gap_of: Doubles) -> Doubles:
            cell = (pairs * KINDS + kind_of) * CLASSES + self._classes(gap_of)
            return np.bincount(cell, minlength=int(np.prod(shape))).astype(np.float64).reshape(shape)

        everything = histogram(pair[counted], kind[counted], gap[counted])
        follows = np.where(sure & counted, gap, np.inf)
        following = follows.argmin(axis=1)
        rows = np.flatnonzero(np.isfinite(follows[np.arange(len(gap)), following]))
        columns = following[rows]
        self._same = histogram(pair[rows, columns], kind[rows, columns], gap[rows, columns])
        self._count = count
        self._table = self._ratios(self._same, everything).astype(np.float32)
        self._both = self._at_once(pair, sure, usable & later & ~in_turn, usable & later, count)

    def follow(self, gap: Doubles, later: Bools, cameras: Ints, others: Ints, kind: Ints) -> Floats:
        """(N, M) nats for one being the next sighting of the other; -inf where they overlap in time."""
        classes = self._classes(gap)
        index = CLASSES * kind
        index += classes
        if self._count == 0:
            scores = np.log(self._assumed).astype(np.float32).take(index)
        else:
            last = self._count - 1
            row, column = np.minimum(cameras, last)[:, None], np.minimum(others, last)[None, :]
            whole = KINDS * CLASSES
            index += np.where(
                later, whole * self._count * row + whole * column, whole * self._count * column + whole * row
            )
            scores = self._table.take(index)
        vague = kind < 2
        if vague.any():
            scores = np.where(vague, np.float32(VAGUE), np.float32(1)) * scores
        for (first, second), (least, greatest) in self.given.items():
            forth = later & (cameras == first)[:, None] & (others == second)[None, :]
            back = ~later & (cameras == second)[:, None] & (others == first)[None, :]
            way = forth | back
            scores[way] = np.where((gap[way] >= least) & (gap[way] <= greatest), np.log(_SOON), -LIMIT)
        scores[gap <= -CLOCKS] = -np.inf
        return np.asarray(scores, np.float32)

    def at_once(self, gap: Doubles, cameras: Ints, others: Ints) -> Floats:
        """(N, M) nats for one person being seen by two cameras at once; 0 where there is no overlap in time."""
        if self._count == 0:
            return np.zeros(gap.shape, np.float32)
        last = self._count - 1
        table = self._both[np.minimum(cameras, last)[:, None], np.minimum(others, last)[None, :]]
        return np.where(gap <= -CLOCKS, table, 0).astype(np.float32)

    def median(self, first: int, second: int) -> float | None:
        """Median seconds from one camera to the other by the classes' bounds; None below 3 sightings."""
        if max(first, second) >= self._count:
            return None
        number = self._same[first * self._count + second].sum(axis=0)
        if number.sum() < 3:
            return None
        share = np.cumsum(number)
        index = int(np.searchsorted(share, share[-1] / 2))
        return float(EDGES[min(index, len(EDGES) - 1)])

    @staticmethod
    def _classes(gap: Doubles) -> Ints:
        return np.asarray(np.searchsorted(EDGES, gap, side="left"), np.int64)

    def _ratios(self, same: Doubles, everything: Doubles) -> Doubles:
        """(C * C, KINDS, CLASSES) ratios: those over all pairs are the prior of each pair, what is assumed is theirs.

        Ratios are taken against all gaps of the kind's frequencies; they are not made to average to one:
        how long a run lasts says nothing about how people walk.
        """
        rate = max(same.sum() / max(everything.sum(), 1.0), 1e-4)
        found, expected = same.sum(axis=0), everything.sum(axis=0) * rate
        firm = np.ones((KINDS, CLASSES))
        firm[2:] = FIRM
        firm[WALK, :SOON] = 1
        prior = np.maximum(expected * (POOL * firm / max(expected.sum(), 1.0)), 0.5)
        pooled = (found + prior * self._assumed) / (expected + prior)
        lean = np.maximum(everything * rate * (OWN * firm / max(rate * everything.sum(), 1.0)), OWN * firm / KINDS)
        own = (same + lean * pooled) / (everything * rate + lean)
        out = np.clip(np.log(own), -LIMIT, LIMIT)
        out[:, 2:] = np.minimum(out[:, 2:], np.log(_SOON))  # so that the best of many pairs does not count for more
        return np.asarray(out, np.float64)

    @staticmethod
    def _at_once(pair: Ints, sure: Bools, overlapping: Bools, usable: Bools, count: int) -> Floats:
        rate = float(np.count_nonzero(sure & usable)) / max(int(np.count_nonzero(usable)), 1)
        size = count * count
        expected = (np.bincount(pair[overlapping], minlength=size) * rate).reshape(count, count)
        found = np.bincount(pair[overlapping & sure], minlength=size).reshape(count, count)
        ratio = (found + found.T + 2.0) / (expected + expected.T + 2.0)
        return np.asarray(np.clip(np.log(ratio), -4.0, 1.0), np.float32)
