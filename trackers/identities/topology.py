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

from relaytrack.trackers.identities.camera_pairs import counted, pairs_apart
from relaytrack.trackers.identities.slices import Slices, blocks, large, pause
from relaytrack.trackers.identities.time_counts import TimeCounts, histogram
from relaytrack.trackers.identities.types import Floats, Ints

Doubles = NDArray[np.float64]
Bools = NDArray[np.bool_]
EDGES = np.array([0.0, 0.5, 1, 2, 4, 7, 12, 20, 35, 60, 100, 200, 400, 800, 1600, 3200])
"""Bounds of the gaps' classes in seconds; class 0 is sightings that touch, the last one is open."""
CLASSES = len(EDGES) + 1
KINDS = 10
_CELLS = KINDS * CLASSES
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
    """Seconds between two tracks' sightings: negative when they overlap in time.

    Here and below the arguments are of shapes that NumPy broadcasts: (N, 1) and (1, M) for all pairs of two lists of
    tracks, (P,) and (P,) for a list of pairs.
    """
    return np.maximum(start - lasts, starts - last)


def is_later(start: Doubles, starts: Doubles, slots: Ints, others: Ints) -> Bools:
    """Whether the other track began after the first one (ties by slot)."""
    out = starts > start
    equal = starts == start
    if equal.any():
        out |= equal & (others > slots)
    return np.asarray(out, bool)


def kinds(later: Bools, same_camera: Bools, row: tuple[Ints, Ints], column: tuple[Ints, Ints]) -> Ints:
    """Kind of the way between two sightings.

    Args:
        later: whether the other track is the later one.
        same_camera: whether both are of one camera.
        row: where the first track began and where it ended, as of `picture_zones.zones`.
        column: the same for the other track.

    Returns:
        0, 1: unknown (other, same camera); 2..5 other camera, 6..9 same camera: inside -> inside,
        inside -> border, border -> inside, border -> border.
    """
    began, ended = row[0].astype(np.int8), 3 * row[1].astype(np.int8)
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
        most: the greatest nats that `follow` gives.
        most_at_once: the greatest that `at_once` gives, 0 at least.
    """

    def __init__(self, returns: float = PASSERS_BY) -> None:
        self.given: dict[tuple[int, int], tuple[float, float]] = {}
        self._assumed = assumed(returns)
        self._assumed_nats = _vaguely(np.log(self._assumed).astype(np.float32))
        self._count = 0
        self._same = np.zeros(0, np.int64)  # cells of people's gaps to their next sighting
        self._table = np.zeros((0, KINDS, CLASSES), np.float32)
        self._row: NDArray[np.int32] | None = None  # row of `_table` by pair of cameras; None: the pair's number
        self._both = np.zeros((0, 0), np.float32)
        self.most = float(self._assumed_nats.max())
        self.most_at_once = 0.0

    @property
    def learned(self) -> bool:
        """Whether anything was learned yet."""
        return self._count > 0

    @staticmethod
    def counts(cameras: int) -> TimeCounts:
        """An empty count for `learn`."""
        return TimeCounts(cameras, KINDS, EDGES, CLOCKS)

    def learn(self, counts: TimeCounts) -> Slices[None]:
        """Estimate anew from what was counted over the tracks in the window.

        A ratio compares how often a class of gaps is found between people's sightings with how often it is found
        between any two sightings. The ratios over all pairs of cameras are the prior of each single pair; the assumed
        ratios are the prior of those. Ratios need not average to one, since how long a run lasts says nothing about how
        people walk.
        """
        same = counts.following()
        everything = counts.everything()
        if large(len(everything)):
            yield
        rate = max(len(same) / max(len(everything), 1.0), 1e-4)
        shape = (KINDS, CLASSES)
        found = np.bincount(same % _CELLS, minlength=_CELLS).reshape(shape)
        expected = np.bincount(everything % _CELLS, minlength=_CELLS).reshape(shape) * rate
        if large(len(everything)):
            yield
        firm = np.ones(shape)
        firm[2:] = FIRM
        firm[WALK, :SOON] = 1
        prior = np.maximum(expected * (POOL * firm / max(expected.sum(), 1.0)), 0.5)
        pooled = (found + prior * self._assumed) / (expected + prior)
        most = OWN * firm / max(rate * len(everything), 1.0)
        pairs, row = pairs_apart(counts.cameras, same, everything, rate, _CELLS)
        table = np.empty((len(pairs), *shape), np.float32)
        greatest = float(np.log(_SOON))
        for part in (parts := blocks(len(pairs), _CELLS, 4)):
            own, every = (counted(pairs[part], cells, _CELLS).reshape(-1, *shape) for cells in (same, everything))
            lean = np.maximum(every * rate * most, OWN * firm / KINDS)
            nats = np.clip(np.log((own + lean * pooled) / (every * rate + lean)), -LIMIT, LIMIT)
            nats[:, 2:] = np.minimum(nats[:, 2:], np.log(_SOON))  # so that the best of many pairs counts for no more
            table[part] = _vaguely(nats.astype(np.float32))
            greatest = max(greatest, float(table[part].max(initial=greatest)))
            yield from pause(parts)
        chance, seen = counts.at_once()
        ratio = (seen + seen.T + 2.0) / (chance + chance.T + 2.0)
        self._both = np.asarray(np.clip(np.log(ratio), -4.0, 1.0), np.float32)
        self._same, self._count, self._table, self._row = same, counts.cameras, table, row
        self.most, self.most_at_once = greatest, max(float(self._both.max(initial=0)), 0.0)

    def follow(self, gap: Doubles, later: Bools, cameras: Ints, others: Ints, kind: Ints) -> Floats:
        """Nats for one being the next sighting of the other, as `gaps`; -inf where they overlap in time."""
        index = self._classes(gap).astype(np.int32)
        index += CLASSES * kind.astype(np.int32)
        if self._count == 0:
            table = self._assumed_nats
        else:
            table, count = self._table, self._count
            row, column = cameras.astype(np.int32), others.astype(np.int32)
            pair = np.where(later, row, column) * np.int32(count)
            pair += np.where(later, column, row)
            if not self._knows(cameras, others):
                pair[np.broadcast_to((cameras >= count) | (others >= count), pair.shape)] = count * count
            index += pair * _CELLS if self._row is None else self._row.take(pair) * np.int32(_CELLS)
        scores = table.take(index)
        for (first, second), (least, greatest) in self.given.items():
            forth = later & (cameras == first) & (others == second)
            back = ~later & (cameras == second) & (others == first)
            way = forth | back
            scores[way] = np.where((gap[way] >= least) & (gap[way] <= greatest), np.log(_SOON), -LIMIT)
        scores[gap <= -CLOCKS] = -np.inf
        return np.asarray(scores, np.float32)

    def at_once(self, gap: Doubles, cameras: Ints, others: Ints) -> Floats:
        """Nats for one person being seen by two cameras at once, as `gaps`; 0 where there is no overlap in time."""
        if self._count == 0:
            return np.zeros(gap.shape, np.float32)
        last, overlap = self._count - 1, gap <= -CLOCKS
        if not self._knows(cameras, others):
            overlap &= (cameras <= last) & (others <= last)
        table = self._both[np.minimum(cameras, last), np.minimum(others, last)]
        return np.where(overlap, table, 0).astype(np.float32)

    def _knows(self, cameras: Ints, others: Ints) -> bool:
        """Whether all of these cameras were there when the times were learned last."""
        return max(int(cameras.max(initial=0)), int(others.max(initial=0))) < self._count

    def median(self, first: int, second: int) -> float | None:
        """Median seconds from one camera to the other by the classes' bounds; None below 3 sightings."""
        if max(first, second) >= self._count:
            return None
        begin = (first * self._count + second) * _CELLS
        number = histogram(self._same, begin, begin + _CELLS).reshape(KINDS, CLASSES).sum(axis=0)
        if number.sum() < 3:
            return None
        share = np.cumsum(number)
        index = int(np.searchsorted(share, share[-1] / 2))
        return float(EDGES[min(index, len(EDGES) - 1)])

    @staticmethod
    def _classes(gap: Doubles) -> Ints:
        return np.asarray(np.searchsorted(EDGES, gap, side="left"), np.int64)


def _vaguely(nats: Floats) -> Floats:
    """Nats (..., KINDS, CLASSES) where those of ways that are not known weigh less; in place."""
    nats[..., :2, :] *= np.float32(VAGUE)
    return nats
