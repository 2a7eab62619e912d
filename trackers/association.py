"""Which detection belongs to which track: overlap and appearance together, in three rounds."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from trackers import boxes
from trackers.calibration import AppearanceScale, ScoreScale
from trackers.detections import Detections
from trackers.matches import Matches, Rows
from trackers.params import DeepSortParams
from trackers.tracks import Tracks

Mask = NDArray[np.bool_]


class Association(Protocol):
    """Matches the detections of a frame with the predicted tracks."""

    def match(self, tracks: Tracks, found: Detections, clock: float) -> tuple[Rows, Rows]:
        """Rows of tracks and, at the same place, the detections they are."""

    def births(self, tracks: Tracks, found: Detections, free: Mask) -> Rows:
        """Those of the unmatched detections, `free` (M,), that start tracks."""

    def learn(self, tracks: Tracks, rows: Rows, found: Detections, picks: Rows) -> None:
        """Remember how the tracks `rows` look in the detections `picks`."""


class JointAssociation:
    """Three rounds: clear detections, low scores, lost tracks.

    1. Detections of high score with all tracks by IoU plus weighted appearance. Appearance is the cosine
       on the scale of `AppearanceScale`, minus one half: it speaks for a pair or against it.
    2. Detections of low score with tracks seen just before, by the same sum (Zhang et al., ByteTrack, ECCV 2022).
    3. Tracks still lost with detections still free, by appearance alone, inside a radius around the prediction
       that grows with the time unseen.
    """

    def __init__(self, params: DeepSortParams) -> None:
        self._params = params
        self._scores = ScoreScale()
        self._looks = AppearanceScale()
        self._cosines: NDArray[np.float32] | None = None

    def match(self, tracks: Tracks, found: Detections, clock: float) -> tuple[Rows, Rows]:
        """Rows of tracks and, at the same place, the detections they are."""
        p = self._params
        self._scores.observe(found.scores)
        high = found.scores >= self._threshold(p.high_score)
        low = ~high & (found.scores >= self._threshold(p.low_score))
        overlap = boxes.iou(tracks.xyxy, found.xyxy)
        looks = self._appearance(tracks, found)
        gain = overlap if looks is None else overlap + p.appearance_weight * (looks - 0.5)
        matches = Matches(len(tracks), len(found))

        first = np.where(overlap > p.match_iou, gain - p.match_gain, 0.0)
        matches.round(first, columns=np.flatnonzero(high))
        second = np.where(overlap > p.low_iou, overlap, 0.0)
        matches.round(second, np.flatnonzero(tracks.misses.values <= 1), np.flatnonzero(low))
        if looks is not None:
            lost = np.flatnonzero(tracks.ids.values > 0)
            third = np.where(self._near(tracks, found, clock), looks - p.refind_appearance, 0.0)
            matches.round(third, lost, np.flatnonzero(high))
        rows, picks = matches.pairs()
        self._calibrate(rows, picks)
        return rows, picks

    def births(self, tracks: Tracks, found: Detections, free: Mask) -> Rows:
        """Clear detections that are not one more box of a person already tracked."""
        picks = np.flatnonzero(free & (found.scores >= self._threshold(self._params.birth_score)))
        live = tracks.xyxy[tracks.misses.values == 0]
        if len(picks) and len(live):
            picks = picks[boxes.iou(found.xyxy[picks], live).max(axis=1) <= self._params.birth_iou]
        return picks

    def learn(self, tracks: Tracks, rows: Rows, found: Detections, picks: Rows) -> None:
        """Blend in embeddings of clear detections that no other box covers much."""
        if tracks.memory is None or len(rows) == 0:
            return
        mutual = boxes.iou(found.xyxy[picks], found.xyxy)
        mutual[np.arange(len(picks)), picks] = 0.0
        alone = mutual.max(axis=1, initial=0.0) <= self._params.occlusion_iou
        good = found.embedded[picks] & alone
        good &= found.scores[picks] >= self._threshold(self._params.high_score)
        rows, picks = rows[good], picks[good]
        tracks.memory.learn(rows, found.embeddings[picks], np.ones(len(rows)))

    def _threshold(self, share: float) -> float:
        return share * self._scores.value if self._params.adapt_scores else share

    def _appearance(self, tracks: Tracks, found: Detections) -> NDArray[np.float32] | None:
        """(N, M) similarity, 0 for strangers and 1 for the same person on average; 0.5 where unknown."""
        self._cosines = None
        if tracks.memory is None or found.embeddings.shape[1] == 0 or len(tracks) == 0:
            return None
        self._cosines = tracks.memory.cosines(found.embeddings)
        looks = self._looks.similarity(self._cosines)
        looks[~tracks.memory.known] = 0.5
        looks[:, ~found.embedded] = 0.5
        return looks

    def _near(self, tracks: Tracks, found: Detections, clock: float) -> Mask:
        """(N, M) True where a detection lies where a lost track may have gone."""
        p = self._params
        position = tracks.motion.position
        radius = position[:, 3] * (p.refind_radius + p.refind_speed * (clock - tracks.seen.values))
        step = position[:, None, :2] - found.xyah[None, :, :2]
        near: Mask = np.einsum("nmk,nmk->nm", step, step) < (radius**2)[:, None]
        ratio = position[:, 3][:, None] / found.xyah[:, 3]
        near &= (ratio > 0.67) & (ratio < 1.5)
        return near

    def _calibrate(self, rows: Rows, picks: Rows) -> None:
        """Learn the scale of appearance from a frame's matches."""
        if self._cosines is None or len(rows) == 0:
            return
        block = self._cosines[rows[:, None], picks]
        same = block.diagonal()
        others = (block.sum(axis=1) - same) / max(len(rows) - 1, 1)
        self._looks.observe(same[same != 0], others[(others != 0) & (len(rows) > 1)])
