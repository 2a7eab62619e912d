"""Lens distortion: pixels as a lens bends them, to pixels as a pinhole camera would have them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from relaytrack.trackers.arrays import numbers
from relaytrack.trackers.errors import TrackerInputError

Doubles = NDArray[np.float64]
_COEFFICIENTS = 5


def coefficients(distortion: ArrayLike) -> tuple[float, ...]:
    """Distortion coefficients as plain numbers: k1, k2, p1, p2 and k3; further ones only where they are 0.

    Raises:
        TrackerInputError: they are not finite numbers, or those of a larger model (rational, thin prism, tilted).
    """
    values = numbers(distortion, "ground plane: distortion").reshape(-1)
    if not np.isfinite(values).all():
        raise TrackerInputError("ground plane: distortion must be finite numbers")
    if values[_COEFFICIENTS:].any():
        raise TrackerInputError(
            f"ground plane: distortion has {len(values)} numbers; only k1, k2, p1, p2 and k3 are understood: calibrate "
            "the camera without the rational, thin prism and tilted models"
        )
    return tuple(values[:_COEFFICIENTS].tolist())


def undistorted(points: Doubles, camera_matrix: Doubles, distortion: Sequence[float]) -> Doubles:
    """Pixels (N, 2) without the lens's distortion (Brown-Conrady model), (N, 2).

    Args:
        points: (N, 2) pixels of the picture.
        camera_matrix: (3, 3) intrinsics, pixels.
        distortion: as of `coefficients`; missing ones are 0.
    """
    k1, k2, p1, p2, k3 = (*distortion, 0.0, 0.0, 0.0, 0.0, 0.0)[:_COEFFICIENTS]
    focal, centre = np.diag(camera_matrix)[:2], camera_matrix[:2, 2]
    target = (points - centre) / focal
    flat = target.copy()
    for _ in range(8):  # fixed-point iteration, as OpenCV's undistortPoints
        x, y = flat.T
        r2 = x * x + y * y
        radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
        dx = 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
        dy = p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
        flat = (target - np.column_stack([dx, dy])) / radial[:, None]
    return np.asarray(flat * focal + centre, np.float64)
