"""Counts gaps between sightings, from which travel times are learned."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.identities.types import Ints

Doubles = NDArray[np.float64]
Bools = NDArray[np.bool_]


class TimeCounts:
    """What is counted, over pairs of tracks, row by row.

    A cell is a number: (pair of cameras x kinds + kind of the way) x classes + class of the gap.

    Args:
        cameras: number of cameras.
        kinds: of ways.
        edges: (E,) bounds of the classes of gaps, seconds.
        clocks: seconds by which sightings may overlap and still follow each other.
    """

    def __init__(self, cameras: int, kinds: int, edges: Doubles, clocks: float) -> None:
        self.cameras = cameras
        self._edges, self._clocks = edges, clocks
        self._kinds = kinds
        self._every: list[Ints] = []
        self._following: list[Ints] = []
        self._overlapping = np.zeros((2, cameras * cameras), np.int64)
        self._usable = np.zeros(2, np.int64)

    def add(self, gap: Doubles, later: Bools, row: Ints, column: Ints, kind: Ints, sure: Bools, usable: Bools) -> None:
        """Count pairs of tracks; each track is a row once.

        Args:
            gap: (N, M) as of `topology.gaps`.
            later: (N, M) whether the column's track began after the row's.
            row: (N,) camera indices of the rows.
            column: (M,) those of the columns.
            kind: (N, M) as of `topology.kinds`.
            sure: (N, M) pairs that are surely one person.
            usable: (N, M) pairs that may be.
        """
        pair = row[:, None] * self.cameras + column[None, :]
        in_turn = gap > -self._clocks
        wanted = usable & later
        counted = wanted & in_turn
        self._every.append(self._cells(pair[counted], kind[counted], gap[counted]))
        follows = np.where(sure & counted, gap, np.inf)
        following = follows.argmin(axis=1)
        rows = np.flatnonzero(np.isfinite(follows[np.arange(len(gap)), following]))
        columns = following[rows]
        self._following.append(self._cells(pair[rows, columns], kind[rows, columns], gap[rows, columns]))
        at_once = wanted & ~in_turn
        for place, pairs in enumerate((at_once, at_once & sure)):
            np.add.at(self._overlapping[place], pair[pairs], 1)
        self._usable += np.count_nonzero(wanted), np.count_nonzero(wanted & sure)

    def following(self) -> Ints:
        """(F,) cells of people's gaps to their next sighting, in order."""
        return np.sort(np.concatenate(self._following))

    def everything(self) -> Ints:
        """(E,) cells of the gaps of all usable pairs, in order."""
        return np.sort(np.concatenate(self._every))

    def at_once(self) -> tuple[Doubles, Ints]:
        """(C, C) how many of one person's pairs would overlap in time by chance, and how many do."""
        rate = float(self._usable[1]) / max(int(self._usable[0]), 1)
        size = (self.cameras, self.cameras)
        return (self._overlapping[0] * rate).reshape(size), self._overlapping[1].reshape(size)

    def _cells(self, pairs: Ints, kind: Ints, gap: Doubles) -> Ints:
        classes = np.searchsorted(self._edges, gap, side="left")
        return np.asarray((pairs * self._kinds + kind) * (len(self._edges) + 1) + classes, np.int64)


def histogram(cells: Ints, begin: int, end: int) -> Ints:
    """(end - begin,) how often each of these cells occurs among `cells`, which are in order."""
    first, last = np.searchsorted(cells, (begin, end))
    return np.asarray(np.bincount(cells[first:last] - begin, minlength=end - begin), np.int64)
