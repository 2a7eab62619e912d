"""Boxes as arrays: the forms (x1, y1, x2, y2) and (cx, cy, aspect, height), what a usable box is, overlaps."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.rows import every

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Overlaps = NDArray[np.float32]
Real = TypeVar("Real", np.float32, np.float64)

TINY = np.finfo(np.float32).tiny
"""The least area that anything is divided by."""
LARGEST_COORDINATE = 1e6
"""Pixels; a box that reaches further is taken for a detector's fault."""


def usable(xyxy: Floats, frame_size: tuple[float, float] | None = None) -> Mask:
    """Tell the boxes that can be tracked from degenerate ones.

    Args:
        xyxy: (N, 4) boxes in pixels.
        frame_size: (width, height) of the image where known; boxes wholly outside it are not usable.

    Returns:
        (N,) True for finite boxes of positive width and height that reach into the image.
    """
    if len(xyxy) and _all_usable(xyxy, frame_size):
        return np.ones(len(xyxy), bool)
    with np.errstate(invalid="ignore", over="ignore"):
        fine: Mask = np.all(np.abs(xyxy) < LARGEST_COORDINATE, axis=1)
        fine &= np.all((xyxy[:, 2:] > xyxy[:, :2]) & (xyxy[:, 2:] > 0), axis=1)
        if frame_size is not None:
            fine &= np.all(xyxy[:, :2] < np.asarray(frame_size), axis=1)
    return fine


def _all_usable(xyxy: Floats, frame_size: tuple[float, float] | None) -> bool:
    """Tell the usual case with few operations; False does not say that a box is bad."""
    # The comparisons are False where a number is not one.
    if not (xyxy.min() > -LARGEST_COORDINATE and xyxy[:, 2:].min() > 0 and xyxy.max() < LARGEST_COORDINATE):
        return False
    if not every(xyxy[:, 2:] > xyxy[:, :2]):
        return False
    return frame_size is None or every(xyxy[:, :2] < frame_size)


def to_xyah(xyxy: Floats) -> Floats:
    """Turn (N, 4) corners into (cx, cy, aspect = width / height, height), DeepSORT's measurement."""
    size = xyxy[:, 2:] - xyxy[:, :2]
    xyah = np.empty(xyxy.shape)
    xyah[:, :2] = xyxy[:, :2] + 0.5 * size
    xyah[:, 2] = size[:, 0] / size[:, 1]
    xyah[:, 3] = size[:, 1]
    return xyah


def to_xyxy(xyah: Floats) -> Floats:
    """Turn (N, 4) rows of (cx, cy, aspect, height) into corners."""
    half = 0.5 * xyah[:, 3:].repeat(2, axis=1)
    half[:, 0] *= xyah[:, 2]
    xyxy = np.empty(xyah.shape)
    np.subtract(xyah[:, :2], half, out=xyxy[:, :2])
    np.add(xyah[:, :2], half, out=xyxy[:, 2:])
    return xyxy


def areas(xyxy: NDArray[Real]) -> NDArray[Real]:
    """(..., N) areas of (..., N, 4) boxes."""
    size = xyxy[..., 2:] - xyxy[..., :2]
    area: NDArray[Real] = size[..., 0] * size[..., 1]
    return area


def intersections(a: NDArray[Real], b: NDArray[Real]) -> Overlaps:
    """Areas that boxes share, in single precision; 0 for a box without area.

    Args:
        a: (..., N, 4) boxes.
        b: (..., M, 4) boxes; what stands before the last two axes, such as one frame each, is that of `a`.

    Returns:
        (..., N, M).
    """
    sides = (-1, *range(a.ndim - 1))
    left, top, right, bottom = b.transpose(sides).astype(np.float32)[..., None, :]
    a_left, a_top, a_right, a_bottom = a.transpose(sides).astype(np.float32)[..., None]
    width: Overlaps = np.minimum(a_right, right)
    width -= np.maximum(a_left, left)
    height = np.minimum(a_bottom, bottom)
    height -= np.maximum(a_top, top)
    np.maximum(width, 0.0, out=width)
    np.maximum(height, 0.0, out=height)
    width *= height
    return width


def iou(a: NDArray[Real], b: NDArray[Real], shared: Overlaps | None = None) -> Overlaps:
    """Intersection over union of boxes, 0..1 in single precision; 0 for a box without area.

    Args:
        a: (..., N, 4) boxes.
        b: (..., M, 4) boxes, with the same axes before the last two.
        shared: their `intersections` where they are known; None to compute them.

    Returns:
        (..., N, M).
    """
    common = intersections(a, b) if shared is None else shared
    union = areas(a).astype(np.float32)[..., None] + areas(b).astype(np.float32)[..., None, :]
    union -= common
    np.maximum(union, TINY, out=union)
    np.divide(common, union, out=union)
    return union
