"""Which tracks of one camera were seen in the same frame: two people, unless their boxes always coincide."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.identities.growing import enlarge
from relaytrack.trackers.identities.types import Floats, Ints

Bools = NDArray[np.bool_]
DUPLICATE_OVERLAP = 0.7
"""Mean intersection over union from which two tracks of one camera are one person's duplicate boxes."""
DUPLICATE_FRAMES = 3
_COLUMNS = ("_met", "_together", "_overlap", "_place")


class Meetings:
    """Counts for pairs of tracks of one camera, by slot of the table and the other's place in its camera.

    Each open track has a place 0, 1, ... of its camera, so the memory grows with the tracks and not as their square.
    """

    def __init__(self) -> None:
        self._met = np.zeros((0, 0), bool)
        self._together = np.zeros((0, 0), np.int32)  # frames with the boxes of both
        self._overlap = np.zeros((0, 0), np.float32)  # sum of their intersection over union in those
        self._place = np.zeros(0, np.int64)
        self._free: dict[int, list[int]] = {}  # by camera, places that were given up
        self._given: dict[int, int] = {}  # by camera, places given so far

    def grow(self, size: int) -> None:
        """Make room for so many slots."""
        enlarge(self, _COLUMNS, size)

    def open(self, slot: int, camera: int) -> None:
        """Give a new track its place."""
        free = self._free.get(camera)
        if free:
            self._place[slot] = free.pop()
            return
        place = self._place[slot] = self._given.get(camera, 0)
        self._given[camera] = int(place) + 1
        width = self._met.shape[1]
        if place >= width:
            for name in _COLUMNS[:3]:
                values = getattr(self, name)
                wider = np.zeros((len(values), width + max(32, width // 4)), values.dtype)
                wider[:, :width] = values
                setattr(self, name, wider)

    def close(self, slots: Ints, camera: int, remaining: Ints) -> None:
        """Forget tracks of a camera, in which the slots `remaining` stay open."""
        places = self._place[slots]
        for values in (self._met, self._together, self._overlap):
            values[slots] = 0
            values[remaining[:, None], places] = 0
        self._free.setdefault(camera, []).extend(places.tolist())

    def meet(self, slots: Ints) -> None:
        """One frame shows all of these tracks."""
        places = self._place[slots]
        self._met[slots[:, None], places] = True
        self._met[slots, places] = False

    def count(self, slots: Ints, overlap: Floats) -> None:
        """Add frames: slots (K, N) of the tracks in each, and their boxes' overlap (K, N, N), NaN where unknown."""
        grid = (slots[:, :, None], self._place[slots][:, None, :])
        known = np.isfinite(overlap)
        self._together[grid] += known
        self._overlap[grid] += np.where(known, overlap, 0)

    def conflicts(self, slots: Ints, others: Ints) -> tuple[Bools, Bools]:
        """Of pairs of tracks of one camera, (P,) each: which were seen at once, and which coincide throughout."""
        place = self._place[others]
        count = self._together[slots, place]
        mean = self._overlap[slots, place] / np.maximum(count, 1)
        return self._met[slots, place], (count >= DUPLICATE_FRAMES) & (mean >= DUPLICATE_OVERLAP)
