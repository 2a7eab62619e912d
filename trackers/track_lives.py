"""What is counted of every track since its birth: one row per track, a column for each count."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.rows import Column

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

LIFE = np.dtype(
    [
        *((name, "i8") for name in ("id", "serial", "hits", "misses", "index", "clear")),
        *((name, "f8") for name in ("seen", "sure", "score", "doubt", "born", "x", "y", "scores", "aspects")),
    ]
)
"""What is counted of one track. Besides the properties of `TrackLives`: `clear`, how often it was seen clearly before
it was confirmed; `x` and `y`, the centre of its first box in pixels of the present picture; `scores` and `aspects`,
sums over its detections."""


class TrackLives:
    """The columns of N tracks; the base of `Tracks`. They can be written to."""

    def __init__(self) -> None:
        self._life = Column(dtype=LIFE)

    def __len__(self) -> int:
        """Number of tracks."""
        return len(self._life)

    @property
    def ids(self) -> Ints:
        """(N,) 0 as long as a track is tentative."""
        return self._life.values["id"]

    @property
    def serial(self) -> Ints:
        """(N,) order of birth."""
        return self._life.values["serial"]

    @property
    def hits(self) -> Ints:
        """(N,) number of detections that each track has got."""
        return self._life.values["hits"]

    @property
    def misses(self) -> Ints:
        """(N,) number of frames since the last detection; 0 where seen in this frame."""
        return self._life.values["misses"]

    @property
    def seen(self) -> Floats:
        """(N,) clock of the last detection, seconds."""
        return self._life.values["seen"]

    @property
    def sure(self) -> Floats:
        """(N,) clock of the last detection that entered the first round, seconds."""
        return self._life.values["sure"]

    @property
    def born(self) -> Floats:
        """(N,) clock of the first detection, seconds."""
        return self._life.values["born"]

    @property
    def score(self) -> Floats:
        """(N,) score of the last detection."""
        return self._life.values["score"]

    @property
    def index(self) -> Ints:
        """(N,) row of the last detection in the arrays of the call that gave it."""
        return self._life.values["index"]

    @property
    def doubt(self) -> Floats:
        """(N,) how doubtful the hits of a tentative track are together: the product of their doubts."""
        return self._life.values["doubt"]
