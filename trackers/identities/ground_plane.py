"""The ground plane: a camera's pixels to metres on the floor and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from relaytrack.trackers.arrays import numbers
from relaytrack.trackers.errors import TrackerInputError
from relaytrack.trackers.identities.calibration_checks import check_calibration
from relaytrack.trackers.identities.homography import fit_homography
from relaytrack.trackers.identities.lens import coefficients, undistorted

Doubles = NDArray[np.float64]
_WAYS = (
    ("homography",),
    ("points",),
    ("camera_matrix", "rotation", "translation", "distortion", "scale"),
)
_FARTHEST = 1e12  # pixels or metres


@dataclass(frozen=True, slots=True, eq=False)
class GroundPlane:
    """One camera's view of the floor (plane z = 0 of a world frame shared by all cameras, metres).

    Attributes:
        to_ground: (3, 3) homography from (undistorted) pixels (x, y, 1) to floor metres (X, Y, 1).
        camera_matrix: (3, 3) intrinsics in pixels, needed with `distortion` only.
        distortion: (k1, k2, p1, p2, k3) of the Brown-Conrady model as in OpenCV; empty for none.
    """

    to_ground: Doubles
    camera_matrix: Doubles | None = None
    distortion: tuple[float, ...] = field(default=())

    def __post_init__(self) -> None:
        """Refuse what is no homography.

        Raises:
            TrackerInputError: wrong shape, not finite, not invertible, or a distortion of another model.
        """
        coefficients(self.distortion)
        if (
            np.shape(self.to_ground) != (3, 3)
            or not isinstance(self.to_ground, np.ndarray)
            or not np.isfinite(self.to_ground).all()
        ):
            raise TrackerInputError("ground plane: the homography must be 3 x 3 finite numbers")
        scaled = self.to_ground / np.abs(self.to_ground).max(initial=1e-300)
        if abs(np.linalg.det(scaled)) < 1e-18:
            raise TrackerInputError("ground plane: the homography cannot be inverted")
        if any(self.distortion) and self.camera_matrix is None:
            raise TrackerInputError("ground plane: distortion needs the camera matrix")

    @classmethod
    def from_homography(cls, matrix: ArrayLike) -> GroundPlane:
        """From a 3 x 3 homography, pixels to metres.

        Raises:
            TrackerInputError: not a usable homography.
        """
        return cls(numbers(matrix, "ground plane: the homography"))

    @classmethod
    def from_calibration(
        cls,
        camera_matrix: ArrayLike,
        rotation: ArrayLike,
        translation: ArrayLike,
        distortion: Sequence[float] = (),
        *,
        scale: float = 1.0,
    ) -> GroundPlane:
        """From intrinsics and extrinsics (x_camera = R x_world + t, OpenCV's convention).

        Args:
            camera_matrix: (3, 3) intrinsics, pixels.
            rotation: (3, 3) rotation matrix, or (3,) Rodrigues vector in radians.
            translation: (3,) in world units.
            distortion: k1, k2, p1, p2[, k3]; further ones must be 0.
            scale: metres per world unit (0.01 for a world in centimetres).

        Raises:
            TrackerInputError: shapes are wrong, numbers make no sense, or the camera sees the floor edge-on.
        """
        intrinsics = numbers(camera_matrix, "ground plane: camera_matrix")
        turn = numbers(rotation, "ground plane: rotation")
        if turn.size == 3:
            turn = rodrigues(turn.reshape(3))
        shift = numbers(translation, "ground plane: translation").reshape(-1)
        if intrinsics.shape != (3, 3) or turn.shape != (3, 3) or shift.shape != (3,):
            raise TrackerInputError("ground plane: needs a 3 x 3 camera matrix, a rotation and a translation")
        check_calibration(intrinsics, turn, shift)
        to_image = intrinsics @ np.column_stack([turn[:, 0], turn[:, 1], shift])
        if abs(np.linalg.det(to_image / np.abs(to_image).max())) < 1e-18:
            raise TrackerInputError("ground plane: the camera sees the floor edge-on")
        to_ground = np.diag([scale, scale, 1.0]) @ np.linalg.inv(to_image)
        return cls(to_ground, intrinsics, coefficients(distortion))

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> GroundPlane:
        """From a configuration, in one of three forms.

        Either `homography` (3 x 3, pixels to metres), or `points` (rows of x, y in pixels, X, Y in metres), or
        `camera_matrix`, `rotation`, `translation` with optional `distortion` and `scale` (see `from_calibration`).

        Raises:
            TrackerInputError: keys are missing, unknown, or their values of no use.
        """
        wanted = next((keys for keys in _WAYS if keys[0] in values), None)
        if wanted is None:
            raise TrackerInputError(
                "ground plane: needs homography, points, or camera_matrix with rotation and translation"
            )
        unknown = sorted(set(values) - set(wanted))
        if unknown:
            raise TrackerInputError(f"ground plane: {unknown[0]} cannot be used together with {wanted[0]}")
        try:
            if wanted[0] == "homography":
                return cls.from_homography(values["homography"])
            if wanted[0] == "points":
                rows = np.asarray(values["points"], np.float64)
                if rows.ndim != 2 or rows.shape[1] != 4:
                    raise TrackerInputError("ground plane: points must be rows of x, y, X, Y")
                return homography_from_points(rows[:, :2], rows[:, 2:])
            return cls.from_calibration(
                values["camera_matrix"],
                values["rotation"],
                values["translation"],
                values.get("distortion", ()),
                scale=float(values.get("scale", 1.0)),
            )
        except KeyError as error:
            raise TrackerInputError(f"ground plane: {error.args[0]} is missing") from error
        except (TypeError, ValueError, OverflowError) as error:
            if isinstance(error, TrackerInputError):
                raise
            raise TrackerInputError(f"ground plane: {wanted[0]} and the like must be numbers") from error

    def project(self, points: ArrayLike) -> Doubles:
        """Pixels (N, 2) to floor metres (N, 2); NaN where the pixel lies at or above the horizon.

        The third homogeneous coordinate changes its sign at the horizon; the floor is on the side of the pixels far
        below the picture.
        """
        flat = np.asarray(points, np.float64).reshape(-1, 2)
        if any(self.distortion) and self.camera_matrix is not None:
            flat = undistorted(flat, self.camera_matrix, self.distortion)
        ground = np.column_stack([flat, np.ones(len(flat))]) @ self.to_ground.T
        depth = ground[:, 2] * self._floor_sign()
        out = np.full((len(flat), 2), np.nan)
        seen = depth > 1e-12 * np.abs(self.to_ground).max()
        out[seen] = ground[seen, :2] / ground[seen, 2:]
        return out

    def feet(self, xyxy: ArrayLike) -> Doubles:
        """Floor metres (N, 2) of the middles of the boxes' lower edges; xyxy (N, 4) pixels."""
        boxes = np.asarray(xyxy, np.float64).reshape(-1, 4)
        return self.project(np.column_stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]]))

    def to_pixels(self, metres: ArrayLike) -> Doubles:
        """Floor metres (N, 2) to undistorted pixels (N, 2)."""
        flat = np.asarray(metres, np.float64).reshape(-1, 2)
        image = np.column_stack([flat, np.ones(len(flat))]) @ np.linalg.inv(self.to_ground).T
        return np.asarray(image[:, :2] / image[:, 2:], np.float64)

    def spread(self, xyxy: ArrayLike, pixels: ArrayLike) -> Doubles:
        """Covariance (N, 2, 2) on the floor, metres squared, of feet known to `pixels` (N, 2) (x, y).

        First-order propagation through the projection, its Jacobian by central differences of a pixel.
        """
        boxes = np.asarray(xyxy, np.float64).reshape(-1, 4)
        sigma = np.asarray(pixels, np.float64).reshape(-1, 2)
        feet = np.column_stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]])
        steps = [self.project(feet + axis / 2) - self.project(feet - axis / 2) for axis in np.eye(2)]
        jacobian = np.stack(steps, axis=2) * sigma[:, None, :]
        return np.asarray(jacobian @ jacobian.transpose(0, 2, 1), np.float64)

    def _floor_sign(self) -> float:
        # Far below the picture lies the floor at the camera's feet; a camera looking straight down sees
        # nothing but floor.
        slope, constant = self.to_ground[2, 1], self.to_ground[2, 2]
        return 1.0 if (slope if abs(slope) > 1e-12 * np.abs(self.to_ground).max() else constant) >= 0 else -1.0


def rodrigues(vector: ArrayLike) -> Doubles:
    """The rotation matrix (3, 3) of a rotation vector (3,) in radians (Rodrigues' formula)."""
    axis = np.asarray(vector, np.float64).reshape(3)
    angle = float(np.linalg.norm(axis))
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = axis / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross, np.float64)


def homography_from_points(pixels: ArrayLike, metres: ArrayLike) -> GroundPlane:
    """The ground plane on which pixels (N, 2), N >= 4, are these floor metres (N, 2); see `fit_homography`.

    Raises:
        TrackerInputError: fewer than four pairs, a value that is not finite, points that fix no homography (three
            in a line), or one beyond the horizon of the floor that they give (places in another order than pixels).
    """
    source, target = numbers(pixels, "ground plane: pixels"), numbers(metres, "ground plane: metres")
    if source.ndim != 2 or source.shape[1] != 2 or source.shape != target.shape or len(source) < 4:
        raise TrackerInputError("ground plane: a homography needs at least four pairs of points")
    if not (np.abs(source) < _FARTHEST).all() or not (np.abs(target) < _FARTHEST).all():
        raise TrackerInputError("ground plane: a point that is not a number, or too far away")
    plane = GroundPlane(fit_homography(source, target))
    beyond = np.flatnonzero(~np.isfinite(plane.project(source)).all(axis=1))
    if beyond.size:
        raise TrackerInputError(
            f"ground plane: by these points, point {beyond[0] + 1} lies at or above the horizon and not on the floor: "
            "is each place in metres that of its pixel?"
        )
    return plane
