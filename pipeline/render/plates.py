"""Where the plates with people's identities may stand, and what each place would cover; all people at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from relaytrack.pipeline.records import Floats
from relaytrack.trackers.boxes import intersections

RELUCTANCE = (0.0, 0.15, 0.35, 0.3, 0.4, 0.6)
"""How much worse each of a plate's places is than the first, as a share of the plate's area."""
_LEFT_OF = np.array([[0, 2, 0, 2, 0, 0], [-1, 1, -1, 1, -1, -1], [0, 1, 0, 0, 1, 0]])
_TOP_OF = np.array([[1, 1, 3, 1, 1, 3], [0, 0, 1, 0, 0, 0], [1, 1, 0, 0, 0, 1]])
"""By place, where a plate begins: the box's side (number in xyxy), pixels from there, plate sizes back from there."""
_HEAD = 0.45
"""Share of a box from above that counts as the head."""


def plate_places(boxes: Floats, sizes: NDArray[np.float64]) -> Floats:
    """Where plates may stand: above the box at its left and right end, below it, beside its top, at its feet inside.

    Args:
        boxes: (N, 4) xyxy of the people, pixels.
        sizes: (N, 2) width and height of their plates, pixels.

    Returns:
        (N, 6, 4) float32 xyxy, best first.
    """
    corners, (width, height) = boxes.astype(np.float64), sizes.T[:, :, None]
    places = np.empty((len(boxes), len(RELUCTANCE), 4), np.float32)
    places[..., 0] = corners[:, _LEFT_OF[0]] + _LEFT_OF[1] - width * _LEFT_OF[2]
    places[..., 1] = corners[:, _TOP_OF[0]] + _TOP_OF[1] - height * _TOP_OF[2]
    places[..., 2:] = places[..., :2] + sizes.astype(np.float32)[:, None]
    return places


def heads_covered(places: Floats, boxes: Floats) -> Floats:
    """How many pixels of the other people's heads each place covers.

    Args:
        places: (N, K, 4) of N people's plates, xyxy pixels.
        boxes: (N, 4) xyxy of the people.

    Returns:
        (N, K) pixels, summed over the heads.
    """
    heads = boxes.copy()
    heads[:, 3] = boxes[:, 1] + _HEAD * (boxes[:, 3] - boxes[:, 1])
    count, choices = places.shape[:2]
    covered = intersections(places.reshape(-1, 4), heads).reshape(count, choices, count)
    one = np.arange(count)
    covered[one, :, one] = 0.0
    total: Floats = covered.sum(axis=2)
    return total


def pixels_outside(places: Floats, width: int, height: int) -> Floats:
    """By how many pixels places (..., 4) reach over the edges of a picture, summed over its four sides: (...)."""
    beyond = np.maximum(0, places[..., 2:] - np.array([width, height], np.float32))
    before = np.maximum(0, -places[..., :2])
    out: Floats = before[..., 0] + beyond[..., 0] + before[..., 1] + beyond[..., 1]
    return out
