"""How well a box shows its person: by score, size, occlusion, and whether the size is usual for the track."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from relaytrack.pipeline.records import Floats, FrameTracks
from relaytrack.trackers.boxes import intersections, iou

HEIGHT = 256
_SAME = 0.6  # IoU from which a detection may be the one that a track came from
_MEMORY = 2.0  # seconds that somebody who is not seen still counts as standing there
_USUAL = 4.0  # seconds whose boxes say how tall a person is
_ENOUGH = 5  # boxes
_TOLERANCE = 0.15  # natural logarithm of the height; 0.15 is 16 % taller or smaller


def crop_quality(tracks: FrameTracks, unseen: Floats | None = None) -> Floats:
    """How well each box shows its person, (N,), higher is better.

    The detection score times the box's height in pixels, less for people whom somebody nearer hides (tracked or only
    detected, with feet lower in the picture) and for boxes that the picture's edge cuts.

    Args:
        tracks: one frame.
        unseen: (M, 4) xyxy pixels, where people stand whom the tracker has just lost sight of.
    """
    boxes = tracks.xyxy
    if not len(boxes):
        return np.zeros(0, np.float32)
    width, height = tracks.frame.size
    tall = np.maximum(boxes[:, 3] - boxes[:, 1], 1e-3)
    untracked = _untracked(boxes, tracks.detections.xyxy.reshape(-1, 4))
    others = np.concatenate((boxes, untracked, np.zeros((0, 4), np.float32) if unseen is None else unseen))
    shared = intersections(boxes, others)
    shared[np.arange(len(boxes)), np.arange(len(boxes))] = 0.0
    nearer = others[None, :, 3] > boxes[:, None, 3]
    # a person lost from sight within a box may be the one whom the box shows
    nearer[:, len(boxes) + len(untracked) :] = True
    hidden = (np.where(nearer, 1.0, 0.25) * shared).sum(axis=1) / _area(boxes)
    seen = 1.0 - np.clip(hidden, 0.0, 0.95)
    edge = (boxes[:, 0] < 1) | (boxes[:, 1] < 1) | (boxes[:, 2] > width - 1) | (boxes[:, 3] > height - 1)
    quality: Floats = tracks.scores * np.minimum(tall, HEIGHT) * seen * np.where(edge, 0.4, 1.0)
    return np.asarray(quality, np.float32)


def _area(boxes: Floats) -> Floats:
    """(N,) pixels of boxes (N, 4), none of them zero."""
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-3)
    area: Floats = sides[:, 0] * sides[:, 1]
    return area


def _untracked(boxes: Floats, detections: Floats) -> Floats:
    """The detections that no track came from; each track takes the one that fits it best."""
    if not len(detections):
        return detections
    overlap = iou(boxes, detections)
    best = overlap.argmax(axis=1)
    taken = np.zeros(len(detections), bool)
    taken[best[overlap.max(axis=1) > _SAME]] = True
    return detections[~taken]


@dataclass(slots=True)
class _Stature:
    """A track's last box, and (time, height) of its lately seen ones; `ordered` has the heights from low to high."""

    box: Floats
    heights: deque[tuple[float, float]] = field(default_factory=deque)
    ordered: list[float] = field(default_factory=list)

    def see(self, box: Floats, time: float, height: float) -> None:
        """Take the next box, and forget the heights that are too old."""
        self.box = box
        while self.heights and self.heights[0][0] < time - _USUAL:
            del self.ordered[bisect_left(self.ordered, self.heights.popleft()[1])]
        self.heights.append((time, height))
        insort(self.ordered, height)

    def usual(self) -> float | None:
        """The median height; None while there are too few."""
        count = len(self.ordered)
        if count < _ENOUGH:
            return None
        upper = self.ordered[count // 2]
        return upper if count % 2 else (self.ordered[count // 2 - 1] + upper) / 2


class CropJudge:
    """Judges the boxes of one camera frame by frame, in the light of the last seconds.

    Somebody who was tracked until now and is not seen usually stands behind or before somebody else, or both got one
    box. Boxes over that place therefore count less, and so do boxes that are much taller or smaller than usual for
    their track.
    """

    def __init__(self) -> None:
        self._tracks: dict[int, _Stature] = {}

    def judge(self, tracks: FrameTracks) -> Floats:
        """`crop_quality` of the next frame's boxes with what is known from before, (N,)."""
        now, present = tracks.frame.time, set(tracks.ids.tolist())
        unseen = [known.box for track, known in self._tracks.items() if track not in present]
        quality = crop_quality(tracks, np.array(unseen, np.float32).reshape(-1, 4))
        tall = np.maximum((tracks.xyxy[:, 3] - tracks.xyxy[:, 1]).astype(np.float64), 1e-3)
        usual = tall.copy()
        for row, (track, height) in enumerate(zip(tracks.ids.tolist(), tall.tolist(), strict=True)):
            box = tracks.xyxy[row]
            known = self._tracks.pop(track, None) or _Stature(box)
            known.see(box, now, height)
            usual[row] = known.usual() or height
            self._tracks[track] = known  # seen last: at the end
        quality *= np.exp(-((np.log(tall / usual) / _TOLERANCE) ** 2))
        for track, known in list(self._tracks.items()):
            if known.heights[-1][0] >= now - _MEMORY:
                break
            del self._tracks[track]
        return quality
