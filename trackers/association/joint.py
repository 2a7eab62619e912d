"""Which detection belongs to which track: overlap and appearance together, in three rounds."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers import boxes
from relaytrack.trackers.association.matches import Matches, Rows
from relaytrack.trackers.detections import CheckedDetections
from relaytrack.trackers.params import DeepSortParams
from relaytrack.trackers.rows import every, some, where
from relaytrack.trackers.score_calibration import AppearanceScale, ScoreCalibration
from relaytrack.trackers.state import UPRIGHT, Tracks

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Overlaps = NDArray[np.float32]


SPARSE = 0.25
"""Seconds between frames from which boxes of a walker may not overlap."""
STRIDE_LOOKS = 2.0
"""Weight of appearance against the distance of boxes that need not overlap."""


class Association(Protocol):
    """Matches the detections of a frame with the predicted tracks.

    Attributes:
        params: the settings; others may take their place between two frames.
    """

    params: DeepSortParams

    def match(self, tracks: Tracks, found: CheckedDetections, clock: float) -> tuple[Rows, Rows]:
        """Rows of tracks and, at the same place, the detections they are."""

    def births(self, tracks: Tracks, found: CheckedDetections, free: Mask) -> tuple[Rows, Floats, Mask]:
        """The detections of `free` (M,) that start tracks; how doubtful each is; whether it is clear."""

    def learn(self, tracks: Tracks, rows: Rows, found: CheckedDetections, picks: Rows) -> None:
        """Remember how the tracks `rows` look in the detections `picks`."""


class JointAssociation:
    """Three rounds: clear detections, low scores, lost tracks.

    1. Detections of high score by IoU plus weighted appearance, with confirmed tracks and then with tentative
       ones. Appearance is the cosine on the scale of `AppearanceScale`, minus one half: it speaks for a pair
       or against it.
    2. Detections of low score with tracks seen just before, by IoU (Zhang et al., ByteTrack, ECCV 2022).
    3. Tracks still lost with detections still free, by appearance alone, inside a radius around the prediction
       that grows with the time unseen.
    """

    def __init__(self, params: DeepSortParams) -> None:
        self.params = params
        self._scores = ScoreCalibration()
        self._looks = AppearanceScale()
        self._likely: NDArray[np.float64] = np.zeros(0)
        self._appearance: NDArray[np.float32] | None = None
        self._crowding: Overlaps = np.zeros(0, np.float32)

    def match(self, tracks: Tracks, found: CheckedDetections, clock: float) -> tuple[Rows, Rows]:
        """Rows of tracks and, at the same place, the detections they are."""
        p = self.params
        self._likely = self._likelihood(found.scores)
        clear = self._likely >= p.track_high_thresh
        overlap = boxes.iou(tracks.xyxy, found.xyxy)
        cosines = self._cosines(tracks, found)
        looks = None if cosines is None else self._similarity(cosines, tracks, found)
        self._appearance = looks
        matches = Matches(len(tracks), len(found))

        score = overlap - np.float32(p.match_score)
        if looks is not None:
            score += looks if p.appearance_weight == 1.0 else np.float32(p.appearance_weight) * looks
        score *= (overlap > p.match_iou) & clear
        tentative = where(tracks.ids == 0)
        theirs = score[tentative]
        score[tentative] = 0.0
        matches.round(score, np.arange(len(tracks)), np.arange(len(found)))
        columns = matches.free_detections(clear)
        matches.round(theirs[:, columns], tentative, columns)

        lately = tracks.misses == 1
        if p.track_low_time is not None:
            lately &= clock - tracks.sure <= p.track_low_time
        rows, columns = matches.free_tracks(lately), matches.free_detections(~clear)
        if len(rows) and len(columns):
            low = overlap[rows[:, None], columns]
            matches.round(np.where(low > p.low_iou, low, 0.0), rows, columns)

        rows, columns = matches.free_tracks(tracks.ids > 0), matches.free_detections(clear)
        if looks is not None and len(rows) and len(columns):
            strayed = self._strayed(tracks, rows, found, columns, clock)
            excess = looks[rows[:, None], columns] + 0.5 - p.recover_appearance - p.recover_distance * strayed
            matches.round(np.where(strayed <= 1.0, excess, 0.0), rows, columns)

        self._stride(matches, tracks, found, clear, clock)
        rows, picks = matches.pairs()
        self._learn_scales(tracks, found, cosines, rows, picks, clock)
        overlap[rows, picks] = 0.0
        self._crowding = overlap.max(axis=0, initial=0.0)
        tracks.sure[rows[clear[picks]]] = clock
        person = self._likely[picks] >= p.track_low_thresh
        return rows[person], picks[person]

    def _stride(self, matches: Matches, tracks: Tracks, found: CheckedDetections, clear: Mask, clock: float) -> None:
        """Match by distance where frames are so far apart that a walker's boxes no longer overlap.

        A distance says less than an overlap, so that looks weigh more.
        """
        rows = matches.free_tracks(tracks.misses == 1)
        columns = matches.free_detections(clear)
        if len(rows) == 0 or len(columns) == 0:
            return
        passed = clock - tracks.seen[rows]
        if passed.max() < SPARSE:
            return
        here, there = tracks.motion.position[rows], found.xyah[columns]
        height = np.maximum(here[:, 3], 1e-3)  # a box that shrank may be predicted to have none left
        step = np.linalg.norm(here[:, None, :2] - there[None, :, :2], axis=2) / height[:, None]
        near = 1.0 - step / (0.3 + passed)[:, None]  # a height, about 1.7 m, per second
        near[np.abs(np.log(height[:, None] / there[None, :, 3])) > 0.35] = 0.0
        if self._appearance is not None:
            near = np.where(near > 0, near + STRIDE_LOOKS * self._appearance[rows[:, None], columns], 0.0)
        matches.round(near, rows, columns)

    def births(self, tracks: Tracks, found: CheckedDetections, free: Mask) -> tuple[Rows, Floats, Mask]:
        """Detections, clear or faint, that are not one more box of a person already tracked.

        One beside a lost track may be that person, so that all of `n_init` hits are waited for.
        """
        p = self.params
        least = p.new_track_thresh if p.moving_track_thresh is None else min(p.new_track_thresh, p.moving_track_thresh)
        fit = self._likely >= least
        if p.upright_track_thresh is not None:
            fit |= (self._likely >= p.upright_track_thresh) & (found.xyah[:, 2] <= UPRIGHT)
        picks = where(free & fit)
        if len(picks) == 0:
            return picks, np.zeros(0), np.zeros(0, bool)
        overlap = boxes.iou(tracks.xyxy, found.xyxy[picks])
        live = tracks.misses == 0
        looks = self._appearance
        repeats = overlap if looks is None else overlap + p.new_track_appearance * looks[:, picks]
        repeats[overlap <= 0.0] = 0.0
        new = repeats[live].max(axis=0, initial=0.0) <= p.new_track_iou
        picks = picks[new]
        doubt = self._doubt(found.scores[picks])
        lost = (tracks.ids > 0) & ~live
        doubt[(overlap[lost] > 0).any(axis=0)[new]] = np.inf
        return picks, doubt, self._likely[picks] >= p.new_track_thresh

    def _doubt(self, scores: Floats) -> Floats:
        """(M,) likelihoods that detections are noise, as far as is known."""
        return 1.0 - self._scores.proven(scores) if self.params.adapt_scores else np.ones(len(scores))

    def learn(self, tracks: Tracks, rows: Rows, found: CheckedDetections, picks: Rows) -> None:
        """Blend in embeddings of clear detections that no other track covers much; note a second hit."""
        tentative = where(tracks.ids[rows] == 0)
        if len(tentative):
            tracks.doubt[rows[tentative]] *= self._doubt(found.scores[picks[tentative]])
            tracks.note_clear(rows[self._likely[picks] >= self.params.new_track_thresh])
        if tracks.memory is None or not some(found.embedded):
            return
        good = found.embedded[picks] & (self._crowding[picks] <= self.params.occlusion_iou)
        good &= self._likely[picks] >= self.params.track_high_thresh
        rows, picks = rows[good], picks[good]
        tracks.memory.learn(rows, found.embeddings[picks])

    def _likelihood(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """(M,) how likely detections are people."""
        if not self.params.adapt_scores:
            return scores
        self._scores.expect(scores)
        return self._scores.probability(scores)

    def _cosines(self, tracks: Tracks, found: CheckedDetections) -> NDArray[np.float32] | None:
        """(N, M) cosines of tracks and detections, 0 where one has no embedding; None where all lack it."""
        if tracks.memory is None or found.embeddings.shape[1] == 0:
            return None
        return tracks.memory.cosines(found.embeddings)

    def _similarity(
        self, cosines: NDArray[np.float32], tracks: Tracks, found: CheckedDetections
    ) -> NDArray[np.float32]:
        """(N, M) appearance: -0.5 for strangers and 0.5 for the same person on average, 0 where unknown."""
        middle = 0.5 * (self._looks.same + self._looks.strangers)
        looks = cosines - np.float32(middle)
        looks *= np.float32(1.0 / self._looks.span)
        if tracks.memory is not None and not every(tracks.memory.known):
            looks[~tracks.memory.known] = 0.0
        if not every(found.embedded):
            looks[:, ~found.embedded] = 0.0
        return looks

    def _strayed(
        self, tracks: Tracks, rows: Rows, found: CheckedDetections, columns: Rows, clock: float
    ) -> NDArray[np.float64]:
        """(n, m) squared distance of detections from predictions, in radii within which a track is found again."""
        p = self.params
        ahead, there = tracks.motion.position[rows][:, None], found.xyah[columns]
        gone = clock - tracks.seen[rows][:, None]
        height = np.maximum(ahead[..., 3], 1e-3)  # a box that shrank may be predicted to have none left
        step = (ahead[..., :2] - there[:, :2]) / (height * (p.recover_radius + p.recover_speed * gone))[..., None]
        strayed: NDArray[np.float64] = step[..., 0] ** 2 + step[..., 1] ** 2
        return strayed

    def _learn_scales(
        self,
        tracks: Tracks,
        found: CheckedDetections,
        cosines: NDArray[np.float32] | None,
        rows: Rows,
        picks: Rows,
        clock: float,
    ) -> None:
        """Learn the scales of scores and of appearance from a frame's matches."""
        confirmed = tracks.ids[rows] > 0
        continued = np.zeros(len(found), bool)
        continued[picks[confirmed]] = True
        standing = tracks.still(clock, self.params.still_time)
        still = None
        if standing is not None:
            still = np.zeros(len(found), bool)
            still[picks[confirmed & standing[rows]]] = True
        self._scores.observe(found.scores, continued, still)
        if cosines is not None and tracks.memory is not None:
            known = tracks.memory.known
            pairs = int(np.count_nonzero(known)) * int(np.count_nonzero(found.embedded))
            same = cosines[rows, picks]
            if pairs < cosines.size:
                same = same[known[rows] & found.embedded[picks]]
            self._looks.observe(cosines, same, pairs)
