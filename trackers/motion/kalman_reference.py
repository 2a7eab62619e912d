"""The same Kalman model built with filterpy, one object per track: slow, and the reference to test against."""

from __future__ import annotations

from typing import Any

import numpy as np
from filterpy.kalman import KalmanFilter

from relaytrack.trackers.motion.kalman import ASPECT, HEIGHT, Floats, Noise, Rows, zoom
from relaytrack.trackers.rows import Move


class FilterpyKalman:
    """`relaytrack.trackers.motion.kalman.MotionFilter` as a list of `filterpy.kalman.KalmanFilter`."""

    def __init__(self, noise: Noise | None = None) -> None:
        self._noise = noise or Noise()
        self._filters: list[Any] = []

    def __len__(self) -> int:
        """Number of tracks."""
        return len(self._filters)

    @property
    def position(self) -> Floats:
        """(N, 4) estimates of (cx, cy, aspect, height)."""
        return np.array([f.x[:4, 0] for f in self._filters]).reshape(-1, 4)

    @property
    def velocity(self) -> Floats:
        """(N, 4) their change per second."""
        return np.array([f.x[4:, 0] for f in self._filters]).reshape(-1, 4)

    def covariance(self) -> Floats:
        """(N, 8, 8) covariances, positions first."""
        return np.array([f.P for f in self._filters]).reshape(-1, 8, 8)

    def append(self, measured: Floats) -> None:
        """Add a track for each row of `measured` (M, 4)."""
        for z, pp, vv in zip(measured, *self._noise.initial(measured[:, HEIGHT]), strict=True):
            f = KalmanFilter(dim_x=8, dim_z=4)
            f.x = np.concatenate([z, np.zeros(4)])[:, None]
            f.P = np.diag(np.concatenate([pp, vv]))
            f.H = np.eye(4, 8)
            self._filters.append(f)

    def remove(self, move: Move) -> None:
        """Give up tracks."""
        for hole, source in zip(move.holes, move.sources, strict=True):
            self._filters[hole] = self._filters[source]
        del self._filters[move.left :]

    def predict(self, dt: float) -> None:
        """Move every track `dt` seconds on."""
        transition = np.eye(8) + dt * np.eye(8, k=4)
        for f, q_position, q_velocity in zip(
            self._filters, *self._noise.process(self.position[:, HEIGHT], dt), strict=True
        ):
            f.predict(F=transition, Q=np.diag(np.concatenate([q_position, q_velocity])))

    def update(self, rows: Rows, measured: Floats, noise_scale: Floats) -> None:
        """Correct the tracks `rows` (M,) by `measured` (M, 4), measurement variance times `noise_scale`."""
        noise = self._noise.measurement(self.position[rows, HEIGHT]) * noise_scale[:, None]
        for row, z, r in zip(rows, measured, noise, strict=True):
            self._filters[row].update(z[:, None], R=np.diag(r))

    def projected(self) -> tuple[Floats, Floats]:
        """(N, 4) mean and variance of each track's next measurement."""
        position = self.position
        own = np.array([np.diag(f.P)[:4] for f in self._filters]).reshape(-1, 4)
        return position, own + self._noise.measurement(position[:, HEIGHT])

    def hold_shape(self, rows: Rows) -> None:
        """Set the velocity of aspect and height to zero."""
        for row in rows:
            self._filters[row].x[4 + ASPECT :] = 0.0

    def warp(self, matrix: Floats) -> None:
        """Carry every state over into a picture that the camera's motion has moved by `matrix` (2, 3)."""
        block = np.diag([1.0, 1.0, 1.0, zoom(matrix)])
        block[:2, :2] = matrix[:, :2]
        whole = np.kron(np.eye(2), block)
        for f in self._filters:
            f.x = whole @ f.x
            f.x[:2, 0] += matrix[:, 2]
            f.P = whole @ f.P @ whole.T
