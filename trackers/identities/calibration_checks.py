"""Whether the numbers of a camera's calibration can be one at all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.errors import TrackerInputError

_ROUNDED = 0.02  # by which numbers of a rotation that were written by hand may be off


def check_calibration(intrinsics: NDArray[np.float64], turn: NDArray[np.float64], shift: NDArray[np.float64]) -> None:
    """Refuse numbers that are no calibration.

    Args:
        intrinsics: (3, 3) camera matrix, pixels.
        turn: (3, 3) rotation.
        shift: (3,) translation.

    Raises:
        TrackerInputError: they are not finite, the matrix has no focal length, or the rotation stretches or mirrors.
    """
    if not all(np.isfinite(part).all() for part in (intrinsics, turn, shift)):
        raise TrackerInputError("ground plane: camera_matrix, rotation and translation must be finite numbers")
    if not intrinsics[0, 0] or not intrinsics[1, 1] or intrinsics[2].tolist() != [0, 0, 1]:
        raise TrackerInputError("ground plane: camera_matrix must be fx 0 cx, 0 fy cy, 0 0 1, in pixels")
    if np.abs(turn.T @ turn - np.eye(3)).max() > _ROUNDED or np.linalg.det(turn) < 0:
        raise TrackerInputError(
            "ground plane: rotation is none: its columns must be unit vectors at right angles, without a mirror"
        )
