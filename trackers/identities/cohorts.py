"""What each track's most alike strangers score in each camera, kept by slot of the table."""

from __future__ import annotations

import numpy as np

from relaytrack.trackers.identities.affinity import Cohort
from relaytrack.trackers.identities.growing import enlarged, extended
from relaytrack.trackers.identities.types import Floats, Ints

_LEAST, _SMALLEST, _LARGEST = range(3)


class Cohorts:
    """Mean and deviation of the most alike strangers, (S, C) for S slots and C cameras.

    A camera that a track was not compared with has what is assumed beforehand.
    """

    def __init__(self) -> None:
        self._mean, self._deviation = np.zeros((2, 0, 0), np.float32)
        self._bounds = np.zeros((0, 3), np.float32)  # least mean, smallest and largest deviation over the cameras

    def fit(self, size: int, cameras: int, assumed: tuple[float, float]) -> None:
        """Make room; `assumed` mean and deviation stand where nothing is known."""
        cameras = max(4, cameras)
        rows, columns = self._mean.shape
        if rows == size and columns >= cameras:
            return
        columns = max(columns, cameras)
        for name, value in zip(("_mean", "_deviation"), assumed, strict=True):
            old = getattr(self, name)
            if columns == old.shape[1]:
                filled = extended(old, size)
                filled[rows:] = value
            else:
                filled = np.full((size, columns), value, np.float32)
                filled[: old.shape[0], : old.shape[1]] = old
            setattr(self, name, filled)
        mean, deviation = np.float32(assumed[0]), np.float32(assumed[1])
        self._bounds = enlarged(self._bounds, size)
        self._bounds[rows:] = mean, deviation, deviation
        self._widen_bounds(np.arange(size), np.array([[mean, deviation, deviation]], np.float32))

    def put(self, slots: Ints, cohort: Cohort) -> None:
        """Set what is known of tracks (N,); the cohort is (N, cameras)."""
        count = cohort.mean.shape[1]
        self._mean[slots, :count], self._deviation[slots, :count] = cohort.mean, cohort.deviation
        bounds = (cohort.mean.min(axis=1), cohort.deviation.min(axis=1), cohort.deviation.max(axis=1))
        self._bounds[slots] = np.stack(bounds, axis=1)
        rest = slice(count, self._mean.shape[1])
        if rest.start < rest.stop:
            mean, deviation = self._mean[slots, rest], self._deviation[slots, rest]
            more = (mean.min(axis=1), deviation.min(axis=1), deviation.max(axis=1))
            self._widen_bounds(slots, np.stack(more, axis=1))

    def of(self, slots: Ints, cameras: int) -> Cohort:
        """(N, cameras) of tracks (N,), for the first cameras."""
        return Cohort(self._mean[slots, :cameras], self._deviation[slots, :cameras])

    def at(self, slots: Ints, cameras: Ints) -> Cohort:
        """Of tracks in one camera each; the arguments are of shapes that NumPy broadcasts."""
        return Cohort(self._mean[slots, cameras], self._deviation[slots, cameras])

    def least(self, points: Floats | float, slots: Ints) -> Floats:
        """(N,) the least similarity at which tracks (N,) can lie `points` deviations above a cohort of theirs."""
        mean, small, large = self._bounds[slots].T
        return np.asarray(mean + points * np.where(np.asarray(points) >= 0, small, large), np.float32)

    def _widen_bounds(self, slots: Ints, bounds: Floats) -> None:
        held = self._bounds[slots]
        held[:, _LEAST] = np.minimum(held[:, _LEAST], bounds[:, _LEAST])
        held[:, _SMALLEST] = np.minimum(held[:, _SMALLEST], bounds[:, _SMALLEST])
        held[:, _LARGEST] = np.maximum(held[:, _LARGEST], bounds[:, _LARGEST])
        self._bounds[slots] = held
