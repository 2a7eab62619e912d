"""Hiding people in pictures: which regions, for how long, and how.

A region is filled with one colour, its mean: nothing of what was there can be brought back, unlike with a blur.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from relaytrack.pipeline.records import Floats, FrameTracks, Image
from relaytrack.trackers.boxes import iou

Mode = Literal["heads", "persons"]
_SAME = 0.3  # intersection over union from which two boxes are one person's


def hidden_regions(boxes: Floats, mode: Mode) -> Floats:
    """The regions to fill for person boxes.

    Args:
        boxes: (N, 4) xyxy pixels.
        mode: "persons" is the whole box; "heads" its top: a quarter of its height, but at least 0.6 of its width
            (a person who is cut off by the picture's lower edge has a short box). Both with a margin.

    Returns:
        (N, 4) xyxy pixels.
    """
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    regions = boxes.copy()
    margin = 0.08 * height if mode == "heads" else 0.04 * height
    if mode == "heads":
        regions[:, 3] = boxes[:, 1] + np.minimum(np.maximum(0.25 * height, 0.6 * width), height)
    regions[:, 1] -= margin
    regions[:, 0] -= 0.1 * width
    regions[:, 2] += 0.1 * width
    if mode == "persons":
        regions[:, 3] += margin
    return regions


def hide(image: Image, boxes: Floats, mode: Mode) -> Image:
    """A copy of `image` (H, W, 3) in which the regions of `boxes` (N, 4) are filled with their mean colours."""
    hidden = image.copy()
    height, width = image.shape[:2]
    regions = hidden_regions(np.asarray(boxes, np.float32).reshape(-1, 4), mode)
    low = np.floor(regions[:, :2]).clip(0, (width, height)).astype(int)
    high = np.ceil(regions[:, 2:]).clip(0, (width, height)).astype(int)
    for (x1, y1), (x2, y2) in zip(low.tolist(), high.tolist(), strict=True):
        if x1 < x2 and y1 < y2:
            hidden[y1:y2, x1:x2] = image[y1:y2, x1:x2].mean(axis=(0, 1)).astype(np.uint8)
    return hidden


class Veil:
    """Says what to hide in each frame of one camera.

    These are the boxes of all tracks and all detections, however unsure, and for `hold` seconds after the last
    of them the place where a box would be now: a missed detection uncovers nobody. A carried box goes on with its
    last velocity and grows while it is not confirmed.

    Args:
        hold: seconds.
        growth: by how much a carried box grows on each side per second, relative to its size.
    """

    def __init__(self, hold: float = 1.5, growth: float = 0.3) -> None:
        self._hold = hold
        self._growth = growth
        self._time = 0.0
        self._boxes: Floats = np.zeros((0, 4), np.float32)
        self._velocity: Floats = np.zeros((0, 2), np.float32)
        self._seen: NDArray[np.float64] = np.zeros(0)

    def update(self, tracks: FrameTracks) -> Floats:
        """The person boxes (M, 4) to hide in this frame, xyxy pixels of its image."""
        time = tracks.frame.time
        passed = max(time - self._time, 1e-3)
        self._time = time
        shift = np.tile(self._velocity * np.float32(passed), 2)
        carried = self._boxes + shift
        current = np.concatenate((tracks.detections.xyxy, tracks.xyxy)).astype(np.float32).reshape(-1, 4)
        overlap = iou(carried, current)
        velocity = np.zeros((len(current), 2), np.float32)
        if len(carried) and len(current):
            before = overlap.argmax(axis=0)
            matched = overlap.max(axis=0) > _SAME
            moved = (_centres(current) - _centres(self._boxes)[before]) / np.float32(passed)
            velocity[matched] = (0.5 * self._velocity[before] + 0.5 * moved)[matched]
        lost = (overlap.max(axis=1, initial=0.0) <= _SAME) & (time - self._seen <= self._hold)
        self._boxes = np.concatenate((current, carried[lost]))
        self._velocity = np.concatenate((velocity, self._velocity[lost]))
        self._seen = np.concatenate((np.full(len(current), time), self._seen[lost]))
        grown = (self._growth * (time - self._seen)).astype(np.float32)[:, None]
        size = self._boxes[:, 2:] - self._boxes[:, :2]
        return np.concatenate((self._boxes[:, :2] - grown * size, self._boxes[:, 2:] + grown * size), axis=1)


def _centres(boxes: Floats) -> Floats:
    return (boxes[:, :2] + boxes[:, 2:]) / np.float32(2.0)
