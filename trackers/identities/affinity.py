"""Similarity of tracks across cameras, normalised so that one margin fits all cameras and networks.

Cameras differ in light and colour, so each camera's mean embedding is taken off first. Then a similarity is
compared with those of the same track to its most alike strangers in the other camera (adaptive symmetric
score normalisation, Cumani et al., "Comparison of speaker recognition approaches for real applications",
Interspeech 2011): (s - mean) / deviation, averaged over both directions. While few strangers are known, an
assumed distribution stands in for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.identities.most_alike import most_alike
from relaytrack.trackers.identities.params import IdentityParams
from relaytrack.trackers.identities.types import Floats, Ints

Doubles = NDArray[np.float64]
SPREAD = 0.157
"""Deviation of strangers' similarities after centring, where nothing is known of the network yet."""
SPREADS = (0.12, 0.22)
"""Least and greatest deviation that is assumed, whatever the threshold and the run say."""
TYPICAL, SURE = 0.2, 30.0
"""Root mean square similarity of two tracks of one frame, and the pairs from which it is trusted by half."""
EQUAL_ERROR = 1.55
"""Where the calibrated threshold of equal error rates lies, in deviations of strangers' similarities."""
COHORT_MEAN, COHORT_DEVIATION = 1.8, 0.5
"""The most alike strangers' mean and deviation, in deviations of all strangers' similarities."""
COHORT_SHARE, COHORT_MOST = 0.1, 100
"""How many most alike strangers a cohort has: a share of the camera's tracks, and so many at the most."""
SKIP_SHARE, SKIP_MOST = 0.05, 3
"""How many are left out before them, since they may be the same person: a share of the tracks, and at the most."""
FEW = 50
"""Tracks of a window up to which `margin` stands alone."""
_LEAST_DEVIATION = 0.01  # of the most alike strangers: fewer than three of them may be equally alike
_FEWEST = 1e-9  # tracks that a mean is divided by: a camera may have none
MEMORY = 2_000.0
"""Tracks for which a camera's mean remembers closed tracks."""


@dataclass(frozen=True, slots=True, eq=False)
class Cohort:
    """For N tracks, what their most alike strangers score, per camera: mean and deviation, both (N, C)."""

    mean: Floats
    deviation: Floats


class AffinityModel:
    """Keeps the cameras' means and turns similarities into scores above those of strangers."""

    def __init__(self, params: IdentityParams) -> None:
        self.params = params
        self.tracks = 0
        self._sum: dict[int, Doubles] = {}
        self._count: dict[int, float] = {}
        self._strangers = (TYPICAL, 0.0)
        self._base = 0.5
        self._means: Floats = np.zeros((0, 0), np.float32)  # by camera; the last row is for cameras that came since

    def remember(self, features: Floats, cameras: Ints) -> None:
        """Add tracks that leave the window to their cameras' means."""
        for camera, rows in _by_camera(cameras):
            part = features[rows].astype(np.float64)
            count = self._count.get(camera, 0.0) + len(part)
            fade = min(1.0, MEMORY / count)
            self._sum[camera] = (self._sum.get(camera, np.zeros(part.shape[1])) + part.sum(axis=0)) * fade
            self._count[camera] = count * fade

    def forget(self, camera: int) -> None:
        """Drop what is remembered of closed tracks of a camera."""
        self._sum.pop(camera, None)
        self._count.pop(camera, None)

    @property
    def margin(self) -> float:
        """The score that a pair must reach: higher among many, since the best of many strangers is more alike."""
        grown = self.params.crowd_margin * np.log(max(self.tracks, FEW) / FEW)
        return float(self.params.margin + grown)

    def recall(self, camera: int, count: float, total: Doubles) -> None:
        """Take up what an earlier run remembered of a camera."""
        self._sum[camera], self._count[camera] = total.copy(), count

    def sums(self, features: Floats, cameras: Ints) -> dict[int, tuple[float, Doubles]]:
        """Count and sum of embeddings by camera, of these tracks and of those remembered."""
        out = {camera: (self._count[camera], total.copy()) for camera, total in self._sum.items()}
        for camera, rows in _by_camera(cameras):
            part = features[rows].astype(np.float64)
            count, total = out.get(camera, (0.0, np.zeros(part.shape[1])))
            out[camera] = (count + len(part), total + part.sum(axis=0))
        return out

    def learn(self, features: Floats, cameras: Ints, count: int) -> None:
        """Set the cameras' means from the tracks in the window and those remembered.

        Args:
            features: (N, D) L2-normalised.
            cameras: (N,) camera indices.
            count: number of cameras.
        """
        size = features.shape[1]
        member = np.zeros((count, len(features)), np.float32)
        member[cameras, np.arange(len(features))] = 1
        total = (member @ features).astype(np.float64).reshape(count, size)
        number = member.sum(axis=1).astype(np.float64)
        for camera, value in self._sum.items():
            total[camera] += value
            number[camera] += self._count[camera]
        kept = self.params.centre_weight
        common = total.sum(axis=0) / max(number.sum() + kept, _FEWEST)
        means = (total + kept * common) / np.maximum(number + kept, _FEWEST)[:, None]
        self._means = np.vstack([means, common]).astype(np.float32)
        if len(features) >= 2:
            whole = features.sum(axis=0)
            pairs = len(features) * (len(features) - 1)
            self._base = float((whole @ whole - (features**2).sum()) / pairs)

    def calibrate(self, similarity: Floats, strangers: NDArray[np.bool_]) -> None:
        """Learn how much strangers resemble each other from pairs that one frame shows, strangers for certain.

        Args:
            similarity: (N, N) similarities of centred features.
            strangers: (N, N) pairs that are two people for certain.
        """
        values = similarity[strangers]
        if len(values):
            self._strangers = (max(float(np.sqrt((values**2).mean())), 0.05), len(values) / 2)

    def centre(self, features: Floats, cameras: Ints) -> Floats:
        """(N, D) features without their cameras' means, L2-normalised again; a zero row stays zero."""
        if self.params.normalise == "none" or len(self._means) == 0:
            return features
        known = np.linalg.norm(features, axis=1, keepdims=True) > 0.5
        row = np.minimum(cameras, len(self._means) - 1)
        shifted = (features - self._means[row]) * known
        length = np.linalg.norm(shifted, axis=1, keepdims=True)
        return np.asarray(shifted / np.maximum(length, 1e-6), np.float32)

    def prior(self) -> tuple[float, float]:
        """Mean and deviation of the most alike strangers' similarity that are assumed beforehand."""
        spread = SPREAD
        threshold = self.params.threshold
        if threshold is not None and self._base < threshold / 2:
            # x = sqrt(b) common + sqrt(1 - b) own: taking the common part off maps s to (s - b) / (1 - b).
            # Where strangers are that much alike anyway, the threshold was calibrated on other pictures.
            spread = (threshold - self._base) / (1 - self._base) / EQUAL_ERROR
        trust = self._strangers[1] / (self._strangers[1] + SURE)
        spread *= (self._strangers[0] / TYPICAL) ** (0.5 * trust)
        spread = float(np.clip(spread, *SPREADS))
        return COHORT_MEAN * spread, COHORT_DEVIATION * spread

    def cohort(
        self,
        similarity: Floats,
        cameras: Ints,
        count: int,
        itself: Ints | None = None,
        columns: Ints | None = None,
    ) -> Cohort:
        """Statistics of each row's most alike strangers.

        The very most alike are left out: they may be the same person.

        Args:
            similarity: (N, M) similarities of N tracks to M tracks of the window.
            cameras: (M,) their cameras.
            count: number of cameras.
            itself: (N,) column of the row's own track, -1 where it is none.
            columns: (M,) where in `similarity` the tracks are, if it has more columns; None: as they come.
        """
        mean0, deviation0 = self.prior()
        kept = self.params.prior_weight
        rows = len(similarity)
        mean = np.full((rows, count), mean0, np.float32)
        deviation = np.full((rows, count), deviation0, np.float32)
        values = similarity
        if itself is not None:
            values = similarity.copy()
            own = np.flatnonzero(itself >= 0)
            values[own, itself[own]] = 2.0  # comes first and is left out
        order = np.argsort(cameras, kind="stable")
        places = order if columns is None else columns[order]
        numbers = np.bincount(cameras, minlength=count)
        begins = np.cumsum(numbers) - numbers
        take = np.minimum(COHORT_MOST, np.rint(COHORT_SHARE * numbers)).astype(np.int64)
        skip = 1 + np.minimum(SKIP_MOST, np.rint(SKIP_SHARE * numbers)).astype(np.int64)
        first = np.minimum(skip + take, numbers)
        usable = np.flatnonzero((take > 0) & (first > skip))
        for reach, left_out in np.unique(np.stack([first[usable], skip[usable]], axis=1), axis=0).tolist():
            group = usable[(first[usable] == reach) & (skip[usable] == left_out)]
            top = most_alike(values, places, begins[group], numbers[group], reach)[:, :, left_out:]
            left = reach - left_out
            average = top.mean(axis=2)
            square = ((top - average[:, :, None]) ** 2).sum(axis=2)
            mean[:, group] = (top.sum(axis=2) + kept * mean0) / (left + kept)
            spread = np.sqrt((square + kept * deviation0**2) / (left + kept))
            deviation[:, group] = np.maximum(spread, _LEAST_DEVIATION)
        return Cohort(mean, deviation)

    def scores(
        self, similarity: Floats, row: Cohort, row_cameras: Ints, column: Cohort, column_cameras: Ints
    ) -> Floats:
        """(N, M) normalised similarity less the margin: above 0 speaks for one person."""
        return self.pair_scores(
            similarity,
            Cohort(row.mean[:, column_cameras], row.deviation[:, column_cameras]),
            Cohort(column.mean[:, row_cameras].T, column.deviation[:, row_cameras].T),
        )

    def pair_scores(self, similarity: Floats, row: Cohort, column: Cohort) -> Floats:
        """As `scores`, with the two cohorts of each pair in the shape of `similarity`."""
        if self.params.normalise == "none":
            threshold = 0.5 if self.params.threshold is None else self.params.threshold
            return np.asarray((similarity - threshold) / 0.05, np.float32)
        if self.params.normalise == "centre":
            mean, deviation = self.prior()
            return np.asarray((similarity - mean) / deviation - self.margin, np.float32)
        forward = (similarity - row.mean) / row.deviation
        back = (similarity - column.mean) / column.deviation
        return np.asarray(0.5 * (forward + back) - self.margin, np.float32)


def _by_camera(cameras: Ints) -> Iterator[tuple[int, Ints]]:
    """Each camera with its rows, in order."""
    if len(cameras) == 0:
        return  # np.split would give one empty part
    order = np.argsort(cameras, kind="stable")
    names, begins = np.unique(cameras[order], return_index=True)
    yield from zip(names.tolist(), np.split(order, begins[1:]), strict=True)
