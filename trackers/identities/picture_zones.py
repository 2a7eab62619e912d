"""Where in its camera's picture a track begins or ends: inside, or at the border."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.identities.types import Floats, Ints

UNKNOWN, INSIDE, BORDER = 0, 1, 2
"""Where in the picture a track began or ended."""
_REACH = 0.3
"""A box is at the border within this share of its height."""
_LEAD = 1.0
"""Seconds: a box whose motion takes it to the border within this time counts as there."""


def zones(boxes: Floats, speed: NDArray[np.float64], corner: NDArray[np.float64], extent: NDArray[np.float64]) -> Ints:
    """(N,) where boxes lie: UNKNOWN, INSIDE or BORDER.

    Args:
        boxes: (N, 4) pixels.
        speed: (N, 2) pixels per second, away from the rest of the track.
        corner: (N, 2) left and upper edge of what each box's camera looks at, pixels.
        extent: (N, 2) right and lower edge; 0 where it is not known.
    """
    near = _REACH * (boxes[:, 3] - boxes[:, 1])[:, None]
    ahead = _LEAD * np.where(np.isfinite(speed), speed, 0)
    low = boxes[:, :2] + np.minimum(ahead, 0) < corner + near
    high = boxes[:, 2:] + np.maximum(ahead, 0) > extent - near
    zone = np.where((low | high).any(axis=1), BORDER, INSIDE)
    known = np.isfinite(boxes).all(axis=1) & (extent > 0).all(axis=1)
    return np.asarray(np.where(known, zone, UNKNOWN), np.int64)
