"""Off-line refinement of one camera's finished tracks: gaps filled by straight lines.

For files only: a running camera cannot know where a person will come out again. The idea is ByteTrack's (Zhang et
al., ECCV 2022, section 4.1, "tracklet interpolation").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from relaytrack.trackers.errors import TrackerInputError
from relaytrack.trackers.evaluation.mot_files import MotRows

MAX_GAP = 2.0
"""Seconds out of sight that are filled by default: gains level off there, and fewer people walk straight."""


@dataclass(frozen=True, slots=True)
class MissingBoxes:
    """The frames that tracks miss, each between two boxes of its track.

    Attributes:
        frames: (M,) int64 frame numbers.
        before: (M,) int64, row of the track's last box before the gap; after: of the first box after it.
        share: (M,) float64 in 0..1, how much of the time between the two boxes has passed.
    """

    frames: NDArray[np.int64]
    before: NDArray[np.int64]
    after: NDArray[np.int64]
    share: NDArray[np.float64]

    def boxes(self, xyxy: ArrayLike) -> NDArray[np.float64]:
        """(M, 4) boxes whose corners move in straight lines over time, of the rows' boxes (N, 4)."""
        corners = np.asarray(xyxy, np.float64)
        first: NDArray[np.float64] = corners[self.before]
        return first + self.share[:, None] * (corners[self.after] - first)


def missing_boxes(
    frames: NDArray[np.int64], ids: NDArray[np.int64], clock: ArrayLike, max_gap: float = MAX_GAP
) -> MissingBoxes:
    """Find where tracks miss frames between two of their boxes.

    Args:
        frames: (N,) frame numbers, from 1 on.
        ids: (N,) the rows' tracks, each at most once in a frame.
        clock: (F,) seconds of every frame, from frame 1 on, ascending.
        max_gap: seconds between the two boxes, up to which a gap counts.

    Returns:
        The missing frames, by track and frame.

    Raises:
        TrackerInputError: `max_gap` is negative, or a row lies past the clock's end.
    """
    times = np.asarray(clock, np.float64)
    if not max_gap >= 0:
        raise TrackerInputError(f"max_gap must be at least 0 seconds, not {max_gap}")
    if len(frames) and frames.max() > len(times):
        raise TrackerInputError(f"frame {frames.max()} lies past the clock's {len(times)} frames")
    order = np.lexsort((frames, ids))
    before, after = order[:-1], order[1:]
    missing = frames[after] - frames[before] - 1
    elapsed = times[frames[after] - 1] - times[frames[before] - 1]
    gap = np.flatnonzero((ids[before] == ids[after]) & (missing > 0) & (elapsed <= max_gap + 1e-9))
    count = missing[gap]
    a, b = np.repeat(before[gap], count), np.repeat(after[gap], count)
    step = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count) + 1
    found = frames[a] + step
    start, end = times[frames[a] - 1], times[frames[b] - 1]
    share = (times[found - 1] - start) / np.where(end > start, end - start, 1.0)
    return MissingBoxes(found, a, b, share)


def fill_gaps(rows: MotRows, clock: ArrayLike, max_gap: float = MAX_GAP) -> tuple[MotRows, NDArray[np.bool_]]:
    """Add boxes where a track misses frames between two of its boxes.

    Every corner moves in a straight line over time from the last box before the gap to the first after it; the
    score is the lower of the two.

    Args:
        rows: the tracks, one row per box.
        clock: (F,) seconds of every frame, from frame 1 on, ascending.
        max_gap: seconds between the two boxes, up to which a gap is filled.

    Returns:
        The rows ordered by frame, and (N,) which of them were added.

    Raises:
        TrackerInputError: `max_gap` is negative, or a row lies past the clock's end.
    """
    missing = missing_boxes(rows.frames, rows.ids, clock, max_gap)
    a, b = missing.before, missing.after
    added = missing.boxes(_corners(rows.xywh))
    joined = MotRows(
        np.concatenate([rows.frames, missing.frames]),
        np.concatenate([rows.ids, rows.ids[a]]),
        np.concatenate([rows.xywh, np.c_[added[:, :2], added[:, 2:] - added[:, :2]]]),
        np.concatenate([rows.scores, np.minimum(rows.scores[a], rows.scores[b])]),
        np.concatenate([rows.classes, rows.classes[a]]),
        np.concatenate([rows.visibility, rows.visibility[a]]),
    )
    by_frame = np.argsort(joined.frames, kind="stable")
    return joined.select(by_frame), by_frame >= len(rows)


def _corners(xywh: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)
