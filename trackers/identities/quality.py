"""How good a crop is for re-identification, judged by its box alone."""

from __future__ import annotations

import numpy as np

from relaytrack.trackers.identities.types import CameraTracks, Floats


def crop_quality(view: CameraTracks) -> Floats:
    """Quality (N,) in 0..1 of one camera's crops: score x size x visibility x wholeness.

    Size counts in full from 64 pixels of height. A box is hidden by the part of it that boxes standing in
    front (lower bottom edge) cover; one that touches the picture's edge is cut off.
    """
    boxes = np.asarray(view.xyxy, np.float32)
    if len(boxes) == 0:
        return np.zeros(0, np.float32)
    width = np.maximum(boxes[:, 2] - boxes[:, 0], 1e-3)
    height = np.maximum(boxes[:, 3] - boxes[:, 1], 1e-3)
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    overlap = np.clip(high - low, 0, None).prod(axis=2) / (width * height)[:, None]
    front = boxes[None, :, 3] > boxes[:, None, 3]
    visible = 1 - np.where(front, overlap, 0).max(axis=1)
    whole = np.ones(len(boxes), np.float32)
    if view.image_size is not None:
        right, bottom = view.image_size
        left, top = view.origin
        cut = (boxes[:, :2] < (left + 2, top + 2)).any(axis=1) | (boxes[:, 2:] > (right - 2, bottom - 2)).any(axis=1)
        whole[cut] = 0.5
    quality = np.clip(view.scores, 0.05, 1) * np.clip(height / 64, 0.1, 1) * visible**2 * whole
    return np.asarray(np.clip(quality, 0, 1), np.float32)
