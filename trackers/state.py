"""All tracks of one camera as a structure of arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers import boxes
from relaytrack.trackers.appearance import FeatureMemory, RecentEmbeddings, RunningMean
from relaytrack.trackers.detections import CheckedDetections
from relaytrack.trackers.errors import TrackerInputError
from relaytrack.trackers.motion.kalman import BatchedKalman, MotionFilter, Noise
from relaytrack.trackers.params import DeepSortParams
from relaytrack.trackers.rows import Move, every, some, where
from relaytrack.trackers.score_calibration import JitterScale
from relaytrack.trackers.track_lives import LIFE, Floats, TrackLives

Rows = NDArray[np.int64]

LEFT = 0.5
"""A track has left its place once it is this many of its heights away from where it was born."""
UPRIGHT = 0.47
"""Width over height up to which a box has the shape of somebody who stands."""
CLEARLY = 2
"""How often a track must be seen clearly where faint detections may begin tracks: once happens to signs by chance."""
_STANDING = 0.5
"""Seconds for which somebody who stands must have been seen before their narrow boxes count as proof."""
_MEAN_SCORE = 0.9
"""Least mean score of these boxes, as a share of `upright_track_thresh`: single scores go up and down."""


def make_filter(params: DeepSortParams) -> MotionFilter:
    """The Kalman filter that the settings name."""
    noise = Noise(params.position_noise, params.velocity_noise)
    if params.kalman == "batched":
        return BatchedKalman(noise)
    from relaytrack.trackers.motion.kalman_reference import FilterpyKalman

    return FilterpyKalman(noise)


def make_memory(params: DeepSortParams, dimensions: int) -> FeatureMemory:
    """The memory of looks that the settings name."""
    if params.association == "cascade":
        return RecentEmbeddings(dimensions, params.budget)
    return RunningMean(dimensions, params.feature_momentum)


class Tracks(TrackLives):
    """N tracks in rows 0..N-1: motion, appearance, life.

    Attributes:
        motion: their Kalman filter.
        memory: how they look; None as long as no embedding was ever given.
        xyxy: (N, 4) float64 boxes, from the filter's state.
    """

    def __init__(self, params: DeepSortParams) -> None:
        super().__init__()
        self.params = params
        self.motion = make_filter(params)
        self.memory: FeatureMemory | None = None
        self._born = 0
        self._named = 0
        self._jitter = JitterScale()
        self._dimensions = 0
        self.xyxy: NDArray[np.float64] = np.zeros((0, 4))

    def still(self, clock: float, seconds: float) -> NDArray[np.bool_] | None:
        """(N,) True for tracks older than `seconds` that are where they were born; None where none is so old."""
        life = self._life.values
        old: NDArray[np.bool_] = clock - life["born"] > seconds
        if not some(old):
            return None
        x, y, _, height = self.motion.position.T
        still: NDArray[np.bool_] = old & (np.hypot(x - life["x"], y - life["y"]) < LEFT * height)
        return still

    def proven(self) -> NDArray[np.bool_]:
        """(N,) True for tracks that were seen clearly, have left the place of their birth or stand upright."""
        life, least = self._life.values, self.params.upright_track_thresh
        all_clear = least is None and self.params.moving_track_thresh is None  # each began with a clear detection
        proven: NDArray[np.bool_] = life["clear"] >= (1 if all_clear else CLEARLY)
        if not every(proven):
            x, y, _, height = self.motion.position.T
            proven |= np.hypot(x - life["x"], y - life["y"]) > LEFT * height
            if least is not None:
                standing = life["scores"] >= _MEAN_SCORE * least * life["hits"]
                standing &= life["aspects"] <= UPRIGHT * life["hits"]
                proven |= standing & (life["seen"] - life["born"] >= _STANDING)
        return proven

    def note_clear(self, rows: Rows) -> None:
        """Count that the tracks `rows` were seen clearly."""
        self._life.values["clear"][rows] += 1

    def make_room_for(self, found: CheckedDetections) -> None:
        """Set up the memory of looks when the first embeddings come.

        Raises:
            TrackerInputError: embeddings of another length than before.
        """
        dimensions = found.embeddings.shape[1]
        if self._dimensions == 0 and dimensions:
            self._dimensions = dimensions
            self.memory = make_memory(self.params, dimensions)
            nothing = np.zeros((len(self), dimensions), np.float32)
            self.memory.append(nothing, np.zeros(len(self), bool))
        elif dimensions not in (0, self._dimensions):
            raise TrackerInputError(f"embeddings have {dimensions} numbers, those before had {self._dimensions}")

    def warp(self, matrix: Floats) -> None:
        """Carry every track over into a picture that the camera's motion has moved by `matrix` (2, 3)."""
        self.motion.warp(matrix)
        life = self._life.values
        life["x"], life["y"] = matrix[:, :2] @ np.stack([life["x"], life["y"]]) + matrix[:, 2:]

    def predict(self, dt: float) -> None:
        """Move every track `dt` seconds on; those not seen in the last frame keep their shape."""
        unseen = where(self.misses > 0)
        if len(unseen):
            self.motion.hold_shape(unseen)
        self.motion.predict(dt)
        self.misses[:] += 1
        self.xyxy = boxes.to_xyxy(self.motion.position)

    def update(self, rows: Rows, found: CheckedDetections, picks: Rows, clock: float) -> None:
        """Correct the tracks `rows` by the detections `picks`."""
        scores = found.scores[picks]
        self.motion.update(rows, found.xyah[picks], self._noise_scale(rows, found.xyah[picks]))
        self.hits[rows] += 1
        self.seen[rows] = clock
        self.misses[rows] = 0
        self.score[rows] = scores
        if self.params.upright_track_thresh is not None:
            self._life.values["scores"][rows] += scores
            self._life.values["aspects"][rows] += found.xyah[picks, 2]
        self.index[rows] = found.indices[picks]
        self.xyxy = boxes.to_xyxy(self.motion.position)

    def _noise_scale(self, rows: Rows, measured: Floats) -> Floats:
        """(M,) factors of the measurement variance of detections that the tracks `rows` get."""
        noise = np.ones(len(rows))
        if self.params.steady_jitter > 0:
            steady = where((self.misses[rows] == 1) & (self.hits[rows] > 3))
            x, y, _, height = self.motion.position[rows[steady]].T
            there = measured[steady]
            self._jitter.observe((np.abs(there[:, 0] - x) + np.abs(there[:, 1] - y)) / height)
            noise *= min(max(min(self._jitter.value / self.params.steady_jitter, 3.0) ** 2, 0.02), 9.0)
        return noise

    def start(
        self, found: CheckedDetections, picks: Rows, doubt: Floats, clear: NDArray[np.bool_], clock: float
    ) -> None:
        """Begin a tentative track at each detection of `picks` (M,), doubtful by `doubt`, some of them `clear` (M,)."""
        count = len(picks)
        if count == 0:
            return
        self.motion.append(found.xyah[picks])
        life = np.zeros(count, LIFE)
        life["serial"] = self._born + np.arange(count)
        life["hits"] = 1
        life["seen"] = life["sure"] = life["born"] = clock
        life["x"], life["y"] = found.xyah[picks, :2].T
        life["doubt"] = doubt
        life["clear"] = clear
        life["score"] = life["scores"] = found.scores[picks]
        life["aspects"] = found.xyah[picks, 2]
        life["index"] = found.indices[picks]
        self._life.append(life)
        if self.memory is not None:
            embeddings = found.embeddings[picks]  # zero where there is none; without columns where all lack it
            if embeddings.shape[1] == 0:
                embeddings = np.zeros((count, self._dimensions), np.float32)
            self.memory.append(embeddings, found.embedded[picks])
        self._born += count
        self.xyxy = np.concatenate([self.xyxy, found.xyxy[picks]])

    def confirm(self) -> Rows:
        """Give ids to tentative tracks with enough hits, or two beyond doubt, by birth; return their rows."""
        p = self.params
        beyond_doubt = self.doubt < p.early_doubt
        if p.early_time > 0:
            beyond_doubt |= (self.seen - self.born >= p.early_time) & np.isfinite(self.doubt)
        enough = (self.hits >= p.n_init) | ((self.hits >= 2) & beyond_doubt)
        rows = where((self.ids == 0) & enough)
        if len(rows):
            rows = rows[self.proven()[rows]]
        if len(rows) == 0:
            return rows
        rows = rows[np.argsort(self.serial[rows])]
        self.ids[rows] = self._named + 1 + np.arange(len(rows))
        self._named += len(rows)
        return rows

    def drop(self, dead: NDArray[np.bool_]) -> None:
        """Forget the tracks where `dead` (N,) is True."""
        if not some(dead):
            return
        move = Move.without(dead)
        self.motion.remove(move)
        if self.memory is not None:
            self.memory.remove(move)
        self._life.remove(move)
