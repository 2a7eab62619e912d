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
    out, when = np.asarray(ids, np.int64).copy(), np.asarray(frames, np.int64)
    boxes = np.asarray(xyxy, np.float64)
    heads, later = _by_track(out, when, early), _by_track(out, when, ~early)
    begins: dict[int, list[int]] = {}
    for track in heads:
        if len(later.get(track, ())) >= 2:
            begins.setdefault(int(when[later[track][0]]), []).append(track)
    for tracks in begins.values():
        if len(tracks) > 1:
            known = [later[track][:LATER] for track in tracks]
            _mend(np.array(tracks), known, np.concatenate([heads[track] for track in tracks]), when, out, boxes)
    return out


def _by_track(ids: Ints, frames: Ints, some: NDArray[np.bool_]) -> dict[int, Ints]:
    """The rows of some boxes by their track, in order of their frames."""
    rows = np.flatnonzero(some)
    if len(rows) == 0:
        return {}  # np.split would give one empty part
    rows = rows[np.lexsort((frames[rows], ids[rows]))]
    tracks, begins = np.unique(ids[rows], return_index=True)
    return dict(zip(tracks.tolist(), np.split(rows, begins[1:]), strict=True))


def _mend(tracks: Ints, known: list[Ints], heads: Ints, frames: Ints, ids: Ints, boxes: Floats) -> None:
    """Assign the early boxes of tracks that were confirmed together; changes `ids` in place.

    Args:
        tracks: (T,) ids, ascending.
        known: for each of them the rows of its first confirmed boxes, in order.
        heads: rows of their early boxes.
        frames: (N,) frame numbers of all boxes.
        ids: (N,) track ids of all boxes.
        boxes: (N, 4) all boxes, pixels.
    """
    states = [_state(boxes[rows]) for rows in known]
    place, at = np.array([state[0] for state in states]), np.array([frames[rows[0]] for rows in known], float)
    passed = np.array([frames[rows[-1]] - frames[rows[0]] for rows in known])
    speed = np.array([state[-1] - state[0] for state in states]) / passed[:, None]
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
