"""Where the plates with people's identities may stand, and what each place would cover; all people at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from relaytrack.pipeline.records import Floats
from relaytrack.trackers.boxes import intersections

RELUCTANCE = (0.0, 0.15, 0.35, 0.3, 0.4, 0.6)
"""How much worse each of a plate's places is than the first, as a share of the plate's area."""
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
    x1, y1, x2, y2 = boxes.astype(np.float64).T
    width, height = sizes.T
    lefts = (x1 - 1, x2 + 1 - width, x1 - 1, x2 + 1, x1 - width - 1, x1 - 1)
    tops = (y1 - height, y1 - height, y2 + 1, y1, y1, y2 - height)
    places = np.empty((len(boxes), len(RELUCTANCE), 4), np.float32)
    places[..., 0], places[..., 1] = np.stack(lefts, axis=1), np.stack(tops, axis=1)
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
