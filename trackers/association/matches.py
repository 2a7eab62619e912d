"""Matching in rounds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.association.assignment import assign
from relaytrack.trackers.rows import where

Rows = NDArray[np.int64]


class Matches:
    """Pairs found in several rounds. What is matched takes no part in the next round.

    Args:
        tracks, detections: how many there are of each.
    """

    def __init__(self, tracks: int, detections: int) -> None:
        self._pick = np.full(tracks, -1)
        self._free = np.ones(detections, bool)

    def round(self, score: NDArray[Any], rows: Rows, columns: Rows) -> None:
        """Match some of those still free for the greatest total score.

        Args:
            score: (n, m) scores of the tracks `rows` (n,) and the detections `columns` (m,), all still free;
                pairs of score <= 0 are never matched.
            rows: (n,) the tracks that take part.
            columns: (m,) the detections that take part.
        """
        if score.size == 0:
            return
        i, j = assign(score)
        self._pick[rows[i]] = columns[j]
        self._free[columns[j]] = False

    def free_tracks(self, among: NDArray[np.bool_]) -> Rows:
        """Tracks without a detection so far, of those where `among` (N,) is True."""
        return where(among & (self._pick < 0))

    def free_detections(self, among: NDArray[np.bool_]) -> Rows:
        """Detections without a track so far, of those where `among` (M,) is True."""
        return where(among & self._free)

    def pairs(self) -> tuple[Rows, Rows]:
        """Rows of the matched tracks and, at the same place, their detections."""
        rows = where(self._pick >= 0)
        return rows, self._pick[rows]
