"""Which picture of a person represents it: the best crop per track, by score, size and sight."""

from __future__ import annotations

import math

import cv2
import numpy as np

from pipeline.frames import Floats, FrameTracks, Image

_BETTER = 1.1  # a new picture must be that much better: encoding each small step would be waste
_HEIGHT = 256


def crop_quality(tracks: FrameTracks) -> Floats:
    """How well each box shows its person, (N,), higher is better.

    The detection score times the box's height in pixels, less for people whom a nearer one hides (a box whose
    feet are lower in the picture) and for boxes that the picture's edge cuts.
    """
    boxes = tracks.xyxy
    if not len(boxes):
        return np.zeros(0, np.float32)
    height, width = tracks.frame.image.shape[:2]
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-3)
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0.0), axis=2) / np.prod(sides, axis=1)[:, None]
    nearer = boxes[None, :, 3] > boxes[:, None, 3]
    hidden = np.where(nearer, shared, 0.25 * shared)
    np.fill_diagonal(hidden, 0.0)
    seen = 1.0 - np.clip(hidden.sum(axis=1), 0.0, 0.95)
    edge = (boxes[:, 0] < 1) | (boxes[:, 1] < 1) | (boxes[:, 2] > width - 1) | (boxes[:, 3] > height - 1)
    quality: Floats = tracks.scores * np.minimum(sides[:, 1], _HEIGHT) * seen * np.where(edge, 0.4, 1.0)
    return np.asarray(quality, np.float32)


def cut(image: Image, box: Floats, height: int = _HEIGHT) -> Image | None:
    """The part of `image` inside `box` (xyxy pixels), shrunk to at most `height` rows; None if nothing is left."""
    x1, y1 = max(0, math.floor(float(box[0]))), max(0, math.floor(float(box[1])))
    x2, y2 = min(image.shape[1], math.ceil(float(box[2]))), min(image.shape[0], math.ceil(float(box[3])))
    if x2 - x1 < 2 or y2 - y1 < 2:
        return None
    part = image[y1:y2, x1:x2]
    if part.shape[0] > height:
        width = max(1, round(part.shape[1] * height / part.shape[0]))
        return np.asarray(cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    return part


def jpeg(image: Image) -> bytes:
    """`image` (H, W, 3) uint8 RGB as JPEG."""
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 90])
    return data.tobytes()


class BestCrop:
    """Keeps the best picture of one track as JPEG, a few kilobytes."""

    __slots__ = ("data", "quality")

    def __init__(self) -> None:
        self.quality = 0.0
        self.data = b""

    def offer(self, image: Image, box: Floats, quality: float) -> None:
        """Take the crop if it is clearly better than the one at hand."""
        if quality <= self.quality * _BETTER and self.data:
            return
        part = cut(image, box)
        if part is not None:
            self.quality, self.data = quality, jpeg(part)
