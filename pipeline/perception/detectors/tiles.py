"""Views of a picture: the whole, and n x n overlapping tiles in which small people are larger for the network."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from relaytrack.pipeline.perception.detectors.base import greedy_keep
from relaytrack.pipeline.records import Detections, Floats, Image
from relaytrack.trackers.boxes import TINY, areas, intersections, iou

OVERLAP = 0.25
"""Share of a tile's side that it has in common with its neighbour."""
_BORDER = 0.01
"""A box that ends within this share of the tile's side of an inner border counts as cut by it."""
_INSIDE = 0.9
"""A box of which more than this lies inside a better one of another view is part of the same person."""


@dataclass(frozen=True, slots=True)
class View:
    """A rectangle of the picture that goes through the network as a picture of its own; pixels.

    Attributes:
        inner: which of its sides (left, top, right, bottom) cut through the picture.
    """

    x: int
    y: int
    width: int
    height: int
    inner: tuple[bool, bool, bool, bool] = (False, False, False, False)

    def cut(self, image: Image) -> Image:
        """Return the view's part of the picture, not copied."""
        return image[self.y : self.y + self.height, self.x : self.x + self.width]


@lru_cache(maxsize=64)
def views_of(width: int, height: int, tiles: int) -> tuple[View, ...]:
    """List the views of a picture: the whole first, then with `tiles` > 1 the tiles row by row."""
    whole = View(0, 0, width, height)
    if tiles == 1:
        return (whole,)
    columns, rows = _cuts(width, tiles), _cuts(height, tiles)
    return (
        whole,
        *(
            View(left, top, right - left, bottom - top, (left > 0, top > 0, right < width, bottom < height))
            for top, bottom in rows
            for left, right in columns
        ),
    )


def _cuts(length: int, tiles: int) -> list[tuple[int, int]]:
    """Start and end of `tiles` equal stretches of `length` pixels that overlap by `OVERLAP`."""
    side = min(length, int(np.ceil(length / (tiles - (tiles - 1) * OVERLAP))))
    starts = np.round(np.linspace(0, length - side, tiles)).astype(int).tolist()
    return [(start, start + side) for start in starts]


def uncut(found: Detections, view: View) -> Detections:
    """Leave out the boxes of a tile that end at one of its inner borders.

    The person goes on beyond it: a neighbouring tile sees the whole person, or the whole picture does.
    """
    width, height = view.width, view.height
    ends = np.array([0, 0, width, height], np.float32)
    near = np.abs(found.xyxy - ends) <= _BORDER * np.array([width, height, width, height])
    keep = ~(near & np.array(view.inner)).any(axis=1)
    return Detections(found.xyxy[keep], found.scores[keep])


def share_inside(boxes: Floats, others: Floats) -> Floats:
    """Share of each other box (M, 4) that lies inside each box (N, 4): (N, M) in 0..1."""
    return np.asarray(intersections(boxes, others) / np.maximum(areas(others), TINY), np.float32)


def merge_views(parts: list[tuple[View, Detections]], iou_threshold: float, max_people: int) -> Detections:
    """Put what the views found into one record of the whole picture.

    Boxes of one view suppress each other by overlap alone (people stand before each other); between views a box
    also goes that lies mostly inside a better one, as half a person seen at a tile's border does.

    Args:
        parts: each view with its boxes in pixels of that view, already without duplicates among themselves.
        iou_threshold: overlap above which the lower score goes.
        max_people: boxes returned at the most.

    Returns:
        Boxes in picture pixels, best score first.
    """
    kept = [(view, uncut(found, view)) for view, found in parts]
    shift = [np.array([view.x, view.y, view.x, view.y], np.float32) for view, _ in kept]
    boxes = np.concatenate([found.xyxy + by for (_, found), by in zip(kept, shift, strict=True)])
    scores = np.concatenate([found.scores for _, found in kept])
    source = np.concatenate([np.full(len(found), number) for number, (_, found) in enumerate(kept)])
    order = np.argsort(-scores, kind="stable")
    boxes, scores, source = boxes[order], scores[order], source[order]
    other_view = source[:, None] != source[None, :]
    suppresses = (iou(boxes, boxes) > iou_threshold) | (other_view & (share_inside(boxes, boxes) > _INSIDE))
    keep = np.flatnonzero(greedy_keep(suppresses))[:max_people]
    return Detections(boxes[keep], scores[keep])
