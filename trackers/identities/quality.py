"""How good a crop is for re-identification, judged by its box alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.identities.types import Floats


def crop_quality(boxes: Floats, scores: Floats, common: Floats, edges: NDArray[np.float64]) -> Floats:
    """Quality in 0..1 of the crops of K frames with N boxes each: score x size x visibility x wholeness.

    Size counts in full from 64 pixels of height. A box is hidden by the part of it that boxes standing in
    front (lower bottom edge) cover; one that touches the picture's edge is cut off.

    Args:
        boxes: (K, N, 4) pixels.
        scores: (K, N) detection scores.
        common: (K, N, N) pixels squared that two boxes share.
        edges: (K, 4) left, upper, right and lower edge of what each camera looks at.

    Returns:
        (K, N).
    """
    width = np.maximum(boxes[..., 2] - boxes[..., 0], 1e-3)
    height = np.maximum(boxes[..., 3] - boxes[..., 1], 1e-3)
    overlap = common / (width * height)[:, :, None]
    front = boxes[:, None, :, 3] > boxes[:, :, None, 3]
    visible = 1 - np.where(front, overlap, 0).max(axis=2)
    low, high = edges[:, None, :2] + 2, edges[:, None, 2:] - 2
    cut = (boxes[..., :2] < low).any(axis=2) | (boxes[..., 2:] > high).any(axis=2)
    whole = np.where(cut, np.float32(0.5), np.float32(1))
    quality = np.clip(scores, 0.05, 1) * np.clip(height / 64, 0.1, 1) * visible**2 * whole
    return np.asarray(np.clip(quality, 0, 1), np.float32)
