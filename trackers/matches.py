"""Matching in rounds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trackers.assignment import assign

Rows = NDArray[np.int64]


class Matches:
    """Pairs found round after round; who is matched takes no part in the next.

    Args:
        tracks, detections: how many there are of each.
    """

    def __init__(self, tracks: int, detections: int) -> None:
        self._pick = np.full(tracks, -1)
        self._free = np.ones(detections, bool)

    def round(self, gain: NDArray[Any], rows: Rows | None = None, columns: Rows | None = None) -> None:
        """Match what is still free for the greatest total gain.

        Args:
            gain: (N, M) of all tracks and detections; pairs of gain <= 0 are never matched.
            rows, columns: the tracks and detections that take part; all where None.
        """
        rows = np.flatnonzero(self._pick < 0) if rows is None else rows[self._pick[rows] < 0]
        columns = np.flatnonzero(self._free) if columns is None else columns[self._free[columns]]
        i, j = assign(gain[rows[:, None], columns])
        self._pick[rows[i]] = columns[j]
        self._free[columns[j]] = False

    @property
    def free_tracks(self) -> Rows:
        """Tracks without a detection so far."""
        return np.flatnonzero(self._pick < 0)

    @property
    def free_detections(self) -> Rows:
        """Detections without a track so far."""
        return np.flatnonzero(self._free)

    def pairs(self) -> tuple[Rows, Rows]:
        """Rows of the matched tracks and, at the same place, their detections."""
        rows = np.flatnonzero(self._pick >= 0)
        return rows, self._pick[rows]
