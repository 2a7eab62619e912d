"""The first boxes of tracks corrected with what came later, for the final output of files.

A track's first boxes are joined before its speed is known; if people walk further between two frames than they are
wide, neighbours are confused. Once a few later boxes show how each of them walks, their
tentative boxes are assigned anew, backwards in time (constant velocity, one optimal assignment per frame).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
LATER = 3
"""Confirmed boxes from which a speed is taken."""
GAIN = 0.1
"""Box heights by which a new assignment must be nearer, per box that changes."""


def mend_heads(
    frames: NDArray[np.integer], ids: NDArray[np.integer], xyxy: NDArray[np.floating], early: NDArray[np.bool_]
) -> Ints:
    """Assign the boxes from before confirmation to the tracks that were confirmed together.

    Args:
        frames: (N,) frame numbers of one camera's boxes.
        ids: (N,) track ids.
        xyxy: (N, 4) boxes, pixels.
        early: (N,) which boxes come from before their track's confirmation.

    Returns:
        (N,) ids; only those of early boxes differ, and each track keeps as many boxes in the same frames.
    """
    out = np.asarray(ids, np.int64).copy()
    begins: dict[int, list[int]] = {}
    for track in np.unique(out[early]).tolist():
        later = np.flatnonzero((out == track) & ~early)
        if len(later) >= 2:
            begins.setdefault(int(frames[later].min()), []).append(track)
    boxes = np.asarray(xyxy, np.float64)
    for tracks in begins.values():
        if len(tracks) > 1:
            _mend(np.array(tracks), np.asarray(frames, np.int64), out, boxes, early)
    return out


def _mend(tracks: Ints, frames: Ints, ids: Ints, boxes: Floats, early: NDArray[np.bool_]) -> None:
    count = len(tracks)
    place, speed, at = np.empty((count, 3)), np.empty((count, 3)), np.empty(count)
    for row, track in enumerate(tracks.tolist()):
        known = np.flatnonzero((ids == track) & ~early)
        known = known[np.argsort(frames[known])][:LATER]
        state = _state(boxes[known])
        place[row], at[row] = state[0], frames[known[0]]
        speed[row] = (state[-1] - state[0]) / (frames[known[-1]] - frames[known[0]])
    heads = np.flatnonzero(early & np.isin(ids, tracks))
    for frame in np.unique(frames[heads])[::-1].tolist():
        rows = heads[frames[heads] == frame]
        rows = rows[np.argsort(ids[rows])]
        own = np.searchsorted(tracks, ids[rows])
        seen = _state(boxes[rows])
        expected = place[own] - speed[own] * (at[own] - frame)[:, None]
        height = np.exp(place[own, 2])
        apart = np.linalg.norm((expected[:, None, :2] - seen[None, :, :2]) / height[:, None, None], axis=2)
        apart += np.abs(place[own, 2][:, None] - seen[None, :, 2])
        first, second = linear_sum_assignment(apart)
        changed = np.count_nonzero(first != second)
        if changed and np.trace(apart) - apart[first, second].sum() > GAIN * changed:
            rows, seen = rows[second], seen[second]
            ids[rows] = tracks[own]
        passed = (at[own] - frame)[:, None]
        speed[own] = (place[own] - seen) / passed
        place[own], at[own] = seen, frame


def _state(boxes: Floats) -> Floats:
    """(N, 3) centres and logarithms of heights."""
    height = np.log(np.maximum(boxes[:, 3] - boxes[:, 1], 1.0))
    return np.column_stack([(boxes[:, :2] + boxes[:, 2:]) / 2, height])
