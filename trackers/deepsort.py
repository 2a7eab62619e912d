"""The tracker of one camera: predict, match, update."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from relaytrack.trackers.arrays import frame_sides, numbers, seconds, with_overrides
from relaytrack.trackers.association.cascade import CascadeAssociation
from relaytrack.trackers.association.joint import Association, JointAssociation
from relaytrack.trackers.backfill import Diary
from relaytrack.trackers.detections import CheckedDetections
from relaytrack.trackers.errors import TimeError, TrackerInputError
from relaytrack.trackers.params import DeepSortParams
from relaytrack.trackers.results import Backfill, TrackResult
from relaytrack.trackers.rows import where
from relaytrack.trackers.state import Tracks

LOG = logging.getLogger("relaytrack.trackers")
TUNABLE = ("track_high_thresh", "track_low_thresh", "new_track_thresh")
"""Settings that can change while tracks are followed."""
TICK = 1e-3
"""Seconds of tolerance where an age is compared with its limit."""
_TOO_LONG = 10  # steps in a row that no track outlives, after which that is told


class DeepSort:
    """DeepSORT (Wojke, Bewley and Paulus, ICIP 2017) with a newer association; `DeepSort.classic` has the paper's own.

    One instance follows the people of one camera. Time is in seconds, of any origin and any frame rate. Where ten steps
    in a row are longer than `max_age`, so that every track ends before the next frame, a line in the log says so once:
    the times are in other units, or a time lapse needs a longer `max_age`.

    Args:
        params: settings; the defaults where None.
        **overrides: single settings, by their names in `DeepSortParams`.

    Raises:
        TrackerInputError: a setting that is unknown or out of range.
    """

    def __init__(self, params: DeepSortParams | None = None, **overrides: Any) -> None:
        self.params = with_overrides(DeepSortParams, params, overrides)
        self._tracks = Tracks(self.params)
        self._association: Association = (
            JointAssociation(self.params) if self.params.association == "joint" else CascadeAssociation(self.params)
        )
        self._diary = Diary()
        self._time: float | None = None
        self._clock = 0.0
        self._frame = -1
        self._too_long = 0  # steps in a row by which everybody was lost
        self.rejected = 0
        """Number of degenerate detections left out so far: not finite, without area, outside the image."""

    @classmethod
    def classic(cls, **overrides: Any) -> DeepSort:
        """The tracker of the 2017 paper: see `DeepSortParams.classic`."""
        return cls(DeepSortParams.classic(), **overrides)

    def __len__(self) -> int:
        """Number of tracks in memory, tentative and lost ones included."""
        return len(self._tracks)

    def update(
        self,
        xyxy: ArrayLike,
        scores: ArrayLike,
        embeddings: ArrayLike | None,
        time: float,
        *,
        frame_size: tuple[float, float] | None = None,
        warp: ArrayLike | None = None,
    ) -> TrackResult:
        """Take in the detections of the next frame.

        Args:
            xyxy: (N, 4) boxes in pixels.
            scores: (N,) detection scores in 0..1.
            embeddings: (N, D) L2-normalised; a row of NaN, or None for all, where there is none.
            time: seconds; not before the last call's.
            frame_size: (width, height) in pixels where known, to reject boxes wholly outside.
            warp: (2, 3) affine map from the last frame's pixels to this one's, where the camera moves; close to a
                turn, a zoom and a shift.

        Returns:
            The confirmed tracks updated in this frame (and coasting ones where asked for).

        Raises:
            TrackerInputError: arrays that do not fit together or hold no numbers; scores outside 0..1; a warp of
                another shape, not finite or mirroring; a frame size that is none.
            TimeError: `time` lies before the last call's, is not finite or no number.
        """
        tracks, association = self._tracks, self._association
        time = self._moment(time)
        found = CheckedDetections.of(xyxy, scores, embeddings, frame_sides(frame_size))
        moved = None if warp is None else _affine(warp)
        tracks.make_room_for(found)
        self._advance(time, moved)
        self.rejected += found.rejected

        rows, picks = association.match(tracks, found, self._clock)
        tracks.update(rows, found, picks, self._clock)
        association.learn(tracks, rows, found, picks)
        tracks.start(found, *association.births(tracks, found, _others(picks, len(found))), self._clock)
        confirmed = tracks.confirm()

        self._diary.write(tracks, confirmed, self._frame, time)
        result = self._result(confirmed)
        tracks.drop(self._given_up())
        return result

    def tune(self, **thresholds: Any) -> None:
        """Go on with other thresholds; what is followed stays.

        Args:
            thresholds: those of the settings that are named in `TUNABLE`.

        Raises:
            TrackerInputError: another setting, or values that make no sense together.
        """
        unknown = set(thresholds) - set(TUNABLE)
        if unknown:
            raise TrackerInputError(f"{sorted(unknown)[0]} cannot change while tracks are followed")
        self.params = replace(self.params, **thresholds)
        self._tracks.params = self._association.params = self.params

    def pop_backfill(self) -> Backfill:
        """Hand over the earlier boxes of the tracks that the last call of `update` confirmed."""
        return self._diary.pop()

    def _moment(self, time: Any) -> float:
        """`time` in seconds.

        Raises:
            TimeError: it is no number, or lies before the last call's.
        """
        moment = seconds(time)
        if self._time is not None and moment < self._time:
            raise TimeError(f"time went backwards: {moment} after {self._time}")
        return moment

    def _advance(self, time: float, warp: NDArray[np.float64] | None = None) -> None:
        """Move the clock and every track to `time`, in the picture that the camera has moved by `warp`."""
        # In steps of 10 microseconds, so that they do not depend on where the origin of time lies: seconds since
        # 1970 are known to a quarter of a microsecond in double precision.
        dt = 0.0 if self._time is None else round(time - self._time, 5)
        self._time = time
        self._clock += dt
        self._frame += 1
        gone = self._unseen() > self.params.max_age + TICK
        self._look_at_step(dt, len(gone))
        self._tracks.drop(gone)
        if warp is not None:
            self._tracks.warp(warp)
        self._tracks.predict(dt)

    def _look_at_step(self, dt: float, tracks: int) -> None:
        """Tell, once, that the times cannot be seconds or `max_age` is too short for them."""
        limit = self.params.max_age
        if dt <= limit + TICK:
            self._too_long = min(self._too_long, 0)
        elif tracks and self._too_long >= 0:
            self._too_long += 1
        if self._too_long == _TOO_LONG:
            self._too_long = -1
            LOG.warning(
                "nobody can be followed: the last %d frames are %g s and more apart, and a track ends after %g s "
                "(max_age); are the times in seconds?",
                _TOO_LONG,
                limit,
                limit,
            )

    def _unseen(self) -> NDArray[np.float64]:
        """(N,) seconds since each track's last detection."""
        unseen: NDArray[np.float64] = self._clock - self._tracks.seen
        return unseen

    def _given_up(self) -> NDArray[np.bool_]:
        """(N,) True for tracks unseen for longer than their kind may be, and for those beyond `max_tracks`."""
        tracks, p = self._tracks, self.params
        limit = np.where(tracks.ids > 0, p.max_age, p.tentative_age) + TICK
        dead: NDArray[np.bool_] = (tracks.misses > 0) & (self._unseen() > limit)
        if p.moving_track_thresh is not None or p.upright_track_thresh is not None:
            dead |= (tracks.ids == 0) & (self._clock - tracks.born > p.moving_track_time)
        excess = int((~dead).sum()) - p.max_tracks
        if excess > 0:
            dead[np.lexsort((tracks.serial, tracks.seen, dead))[:excess]] = True
        return dead

    def _result(self, confirmed: NDArray[np.int64]) -> TrackResult:
        tracks, p = self._tracks, self.params
        seen = tracks.misses == 0
        shown = tracks.ids > 0
        shown &= (seen | (self._unseen() <= p.coast_time + TICK)) if p.report_coasting else seen
        rows = where(shown)
        rows = rows[np.argsort(tracks.ids[rows])]
        new = np.zeros(len(tracks), bool)
        new[confirmed] = True
        return TrackResult(
            ids=tracks.ids[rows],
            xyxy=tracks.xyxy[rows].astype(np.float32),
            scores=tracks.score[rows].astype(np.float32),
            indices=np.where(seen[rows], tracks.index[rows], -1),
            coasting=~seen[rows],
            confirmed_now=new[rows],
        )


def _affine(warp: ArrayLike) -> NDArray[np.float64]:
    matrix = numbers(warp, "warp")
    if matrix.shape != (2, 3) or not np.isfinite(matrix).all() or np.linalg.det(matrix[:, :2]) <= 0:
        raise TrackerInputError(f"warp must be a finite (2, 3) map that mirrors nothing, not {matrix.tolist()}")
    return matrix


def _others(picks: NDArray[np.int64], count: int) -> NDArray[np.bool_]:
    others = np.ones(count, bool)
    others[picks] = False
    return others
