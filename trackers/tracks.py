"""All tracks of one camera as a structure of arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trackers import boxes
from trackers.appearance import FeatureMemory, Gallery, RunningMean
from trackers.detections import Detections
from trackers.errors import InputError
from trackers.kalman import BatchedKalman, MotionFilter, Noise
from trackers.params import DeepSortParams
from trackers.rows import Column, Move

Rows = NDArray[np.int64]


def make_filter(params: DeepSortParams) -> MotionFilter:
    """The Kalman filter that the settings name."""
    noise = Noise(params.position_noise, params.velocity_noise)
    if params.kalman == "batched":
        return BatchedKalman(noise)
    from trackers.kalman_reference import FilterpyKalman

    return FilterpyKalman(noise)


def make_memory(params: DeepSortParams, dimensions: int) -> FeatureMemory:
    """The memory of looks that the settings name."""
    if params.association == "cascade":
        return Gallery(dimensions, params.budget)
    return RunningMean(dimensions, params.feature_momentum)


class Tracks:
    """N tracks in rows 0..N-1: motion, appearance, life.

    Attributes:
        motion: their Kalman filter.
        ids: column of int64; 0 as long as a track is tentative.
        serial: order of birth.
        hits: number of detections matched.
        seen: clock of the last of them, seconds.
        misses: number of frames since.
        score: score of the last detection.
        index: its row in the caller's arrays.
        memory: how they look; None as long as no embedding was ever given.
        xyxy: (N, 4) float64 boxes, from the filter's state.
    """

    def __init__(self, params: DeepSortParams) -> None:
        self._params = params
        self.motion = make_filter(params)
        self.ids = Column(dtype=np.int64)
        self.serial = Column(dtype=np.int64)
        self.hits = Column(dtype=np.int64)
        self.seen = Column()
        self.misses = Column(dtype=np.int64)
        self.score = Column()
        self.index = Column(dtype=np.int64)
        self.memory: FeatureMemory | None = None
        self._born = 0
        self._named = 0
        self._dimensions = 0
        self.xyxy: NDArray[np.float64] = np.zeros((0, 4))

    def __len__(self) -> int:
        """Number of tracks."""
        return len(self.ids)

    @property
    def _columns(self) -> tuple[Column, ...]:
        return (self.ids, self.serial, self.hits, self.seen, self.misses, self.score, self.index)

    def make_room_for(self, found: Detections) -> None:
        """Set up the memory of looks when the first embeddings come.

        Raises:
            InputError: embeddings of another length than before.
        """
        dimensions = found.embeddings.shape[1]
        if self._dimensions == 0 and dimensions:
            self._dimensions = dimensions
            self.memory = make_memory(self._params, dimensions)
            nothing = np.zeros((len(self), dimensions), np.float32)
            self.memory.append(nothing, np.zeros(len(self), bool))
        elif dimensions not in (0, self._dimensions):
            raise InputError(f"embeddings have {dimensions} numbers, those before had {self._dimensions}")

    def predict(self, dt: float) -> None:
        """Move every track `dt` seconds on; those not seen in the last frame keep their shape."""
        unseen = np.flatnonzero(self.misses.values > 0)
        if len(unseen):
            self.motion.hold_shape(unseen)
        self.motion.predict(dt)
        self.misses.values[:] += 1
        self.xyxy = boxes.to_xyxy(self.motion.position)

    def update(self, rows: Rows, found: Detections, picks: Rows, clock: float) -> None:
        """Correct the tracks `rows` by the detections `picks`."""
        scores = found.scores[picks]
        noise = 1.0 - self._params.score_noise * scores.clip(0.0, 0.95)
        self.motion.update(rows, found.xyah[picks], noise)
        self.hits.values[rows] += 1
        self.seen.values[rows] = clock
        self.misses.values[rows] = 0
        self.score.values[rows] = scores
        self.index.values[rows] = found.indices[picks]
        self.xyxy = boxes.to_xyxy(self.motion.position)

    def start(self, found: Detections, picks: Rows, clock: float) -> None:
        """Begin a tentative track at each detection of `picks`."""
        count = len(picks)
        if count == 0:
            return
        self.motion.append(found.xyah[picks])
        self.ids.extend(count)
        self.serial.append(self._born + np.arange(count))
        self.hits.extend(count, 1)
        self.seen.extend(count, clock)
        self.misses.extend(count)
        self.score.append(found.scores[picks])
        self.index.append(found.indices[picks])
        if self.memory is not None:
            embedded = found.embedded[picks]
            embeddings = np.zeros((count, self._dimensions), np.float32)
            embeddings[embedded] = found.embeddings[picks[embedded]]
            self.memory.append(embeddings, embedded)
        self._born += count
        self.xyxy = boxes.to_xyxy(self.motion.position)

    def confirm(self) -> Rows:
        """Give ids to tentative tracks with enough hits, in order of birth; return their rows."""
        rows = np.flatnonzero((self.ids.values == 0) & (self.hits.values >= self._params.n_init))
        rows = rows[np.argsort(self.serial.values[rows])]
        self.ids.values[rows] = self._named + 1 + np.arange(len(rows))
        self._named += len(rows)
        return rows

    def drop(self, dead: NDArray[np.bool_]) -> None:
        """Forget the tracks where `dead` (N,) is True."""
        if not dead.any():
            return
        move = Move.without(dead)
        self.motion.remove(move)
        if self.memory is not None:
            self.memory.remove(move)
        for column in self._columns:
            column.remove(move)
