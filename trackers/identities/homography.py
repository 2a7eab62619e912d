"""A homography fitted to pairs of points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.errors import TrackerInputError

Doubles = NDArray[np.float64]


def fit_homography(source: Doubles, target: Doubles) -> Doubles:
    """The (3, 3) matrix that carries points (N, 2), N >= 4, to others (N, 2) with the least algebraic error.

    Normalised direct linear transform (Hartley and Zisserman, Multiple View Geometry, algorithm 4.2). The matrix is
    scaled so that its largest number is 1 or -1.

    Raises:
        TrackerInputError: three or more of the points that fix it lie on one line.
    """
    centre_a, scale_a = _normaliser(source)
    centre_b, scale_b = _normaliser(target)
    a, b = (source - centre_a) * scale_a, (target - centre_b) * scale_b
    one, nil = np.ones((len(a), 1)), np.zeros((len(a), 3))
    full = np.hstack([a, one])
    rows = np.vstack([np.hstack([full, nil, -b[:, :1] * full]), np.hstack([nil, full, -b[:, 1:] * full])])
    _, values, vectors = np.linalg.svd(rows)
    if values[7] < 1e-9 * values[0]:
        raise TrackerInputError(
            "ground plane: these points do not determine a homography (three or more lie on one line)"
        )
    forward = np.array([[scale_a, 0, -scale_a * centre_a[0]], [0, scale_a, -scale_a * centre_a[1]], [0, 0, 1]])
    back = np.array([[1 / scale_b, 0, centre_b[0]], [0, 1 / scale_b, centre_b[1]], [0, 0, 1]])
    matrix: Doubles = back @ vectors[8].reshape(3, 3) @ forward
    matrix /= np.abs(matrix).max()
    return matrix


def _normaliser(points: Doubles) -> tuple[Doubles, float]:
    """The centre of points (N, 2), and the scale at which they lie sqrt(2) from it on average."""
    centre = points.mean(axis=0)
    return centre, float(np.sqrt(2) / max(np.linalg.norm(points - centre, axis=1).mean(), 1e-12))
