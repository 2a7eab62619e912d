"""Tracks of finished recordings carried on backwards, onto detections that no track took.

A person is often found unsurely for a while before a track may start: far away, at the picture's edge, half hidden.
When the first boxes of the track show how the person walks, such detections can be told from false ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.boxes import iou

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LATER = 5
"""Boxes from which a track's speed at its beginning is taken."""
LEAST_BOXES = 3
"""Boxes that a track must have."""
LEAST_IOU = 0.6
"""Intersection over union from which a detection is where the track must have been."""
LONGEST = 2.0
"""Seconds before its first box for which a track is carried on."""
LONGEST_BLIND = 0.5
"""Seconds without a detection after which it is carried on no further."""


@dataclass(frozen=True, slots=True, eq=False)
class FreeFrame:
    """The detections of one frame that no track took.

    Attributes:
        frame: its number.
        time: seconds.
        xyxy: (M, 4) boxes, pixels.
        scores: (M,) of the detector.
    """

    frame: int
    time: float
    xyxy: Floats
    scores: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Beginnings:
    """Boxes that tracks have got.

    Attributes:
        frames: (K,) frame numbers.
        ids: (K,) track ids.
        xyxy: (K, 4) boxes of the detections, pixels.
        scores: (K,) of the detections.
    """

    frames: Ints
    ids: Ints
    xyxy: Floats
    scores: Floats


def carry_back(frames: Ints, ids: Ints, xyxy: Floats, free: Sequence[FreeFrame]) -> Beginnings:
    """Find the detections that tracks can have had before their first boxes.

    A track's box moves backwards with the speed of its first boxes, and takes in each frame the free detection that it
    overlaps most, if that is enough. The speed follows what is found. Each detection is taken once, by the track that
    began first.

    Args:
        frames: (N,) frame numbers of one camera's boxes.
        ids: (N,) track ids.
        xyxy: (N, 4) boxes, pixels.
        free: frames in the order of their numbers; a track is carried on through frames that follow each other here,
            and only if the frame of its first box is among them.

    Returns:
        The boxes, by track, backwards in time.
    """
    order = np.lexsort((frames, ids))
    begins = np.flatnonzero(np.diff(ids[order], prepend=-1))
    counts = np.diff(np.append(begins, len(order)))
    first = order[begins]
    place = {one.frame: number for number, one in enumerate(free)}
    left = [np.ones(len(one.scores), bool) for one in free]
    found: list[tuple[int, int, Floats, float]] = []
    for track in np.lexsort((ids[first], frames[first])).tolist():
        start = place.get(int(frames[first[track]]))
        if start is None or counts[track] < LEAST_BOXES:
            continue
        rows = order[begins[track] : begins[track] + min(LATER, int(counts[track]))]
        box = np.asarray(xyxy[rows[0]], np.float64)
        speed = _moved(box, np.asarray(xyxy[rows[-1]], np.float64)) / (frames[rows[-1]] - frames[rows[0]])
        for number, there, score in _walk(box, speed, start, free, left):
            found.append((free[number].frame, int(ids[rows[0]]), there, score))
    return Beginnings(
        np.array([frame for frame, *_ in found], np.int64),
        np.array([track for _, track, *_ in found], np.int64),
        np.array([box for *_, box, _ in found], np.float64).reshape(-1, 4),
        np.array([score for *_, score in found], np.float64),
    )


def _walk(
    box: Floats, speed: Floats, start: int, free: Sequence[FreeFrame], left: list[NDArray[np.bool_]]
) -> list[tuple[int, Floats, float]]:
    """Carry one box back from frame `start`; the places of frames in `free`, the boxes and scores that it finds."""
    found = []
    at, seen = free[start].frame, free[start].time
    for number in range(start - 1, -1, -1):
        one = free[number]
        if seen - one.time > LONGEST_BLIND + 1e-6 or free[start].time - one.time > LONGEST + 1e-6:
            break
        if not left[number].any():
            continue
        passed = at - one.frame
        moved = box - np.tile(speed * passed, 2)
        overlap = np.where(left[number], iou(moved[None], one.xyxy)[0], 0.0)
        best = int(overlap.argmax())
        if overlap[best] >= LEAST_IOU:
            left[number][best] = False
            speed = (speed + _moved(one.xyxy[best], box) / passed) / 2
            box, at, seen = one.xyxy[best], one.frame, one.time
            found.append((number, box, float(one.scores[best])))
    return found


def _moved(before: Floats, after: Floats) -> Floats:
    """(2,) how far a box's centre has moved, pixels."""
    moved: Floats = (after[:2] + after[2:] - before[:2] - before[2:]) / 2
    return moved
