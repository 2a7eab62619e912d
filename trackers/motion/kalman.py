"""DeepSORT's Kalman filter, all tracks at once.

State of a track: position (cx, cy, aspect, height) and velocity of the four, constant-velocity model,
direct observation of the position (Wojke et al., "Simple online and realtime tracking with a deep
association metric", ICIP 2017, section 2.1). Because transition, noise and observation treat the four
coordinates alike and apart, the 8 x 8 covariance is four 2 x 2 blocks per track, one per coordinate and its
velocity; each block is three numbers.

Time is in seconds. At a step of 1/30 s the noise is the paper's per-frame noise; process noise variance
grows in proportion to the step, as a random walk's does. Only the aspect's grows faster at low frame rates
(`GAIT_TIME`).
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.rows import Column, Move

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

REFERENCE_RATE = 30.0
"""Frames per second at which the noise equals the paper's per-frame constants."""

ASPECT = 2
HEIGHT = 3

GAIT_TIME = 0.18
"""Seconds between frames from which the last box says little about a walker's outline: the legs have moved on."""
GAIT = 0.3
"""Standard deviation of the aspect that such a gap adds, also for who comes in at the picture's edge."""


class Noise:
    """Standard deviations of the model, those of x, y and height in proportion to the height.

    Args:
        position: process and measurement noise of x, y and height over the height (paper: 1/20).
        velocity: process noise of their velocities over the height, per frame of 1/30 s (paper: 1/160).
    """

    def __init__(self, position: float = 1 / 20, velocity: float = 1 / 160) -> None:
        self.position = position
        self.velocity = velocity
        self._born = _Variance(2 * position, 1e-2), _Variance(10 * velocity * REFERENCE_RATE, 1e-5 * REFERENCE_RATE)
        self._drift = _Variance(position, 1e-2), _Variance(velocity * REFERENCE_RATE, 1e-5 * REFERENCE_RATE)
        self._measured = _Variance(position, 1e-1)

    def initial(self, heights: Floats) -> tuple[Floats, Floats]:
        """(N, 4) variances of position and of velocity (units per second) of a track just born."""
        position, velocity = self._born
        return position.of(heights), velocity.of(heights)

    def process(self, heights: Floats, dt: float) -> tuple[Floats, Floats]:
        """(N, 4) variances that `dt` seconds add to position and to velocity."""
        steps = dt * REFERENCE_RATE
        position, velocity = self._drift
        grown = position.of(heights, steps)
        if dt >= GAIT_TIME:
            grown[:, ASPECT] += GAIT**2
        return grown, velocity.of(heights, steps)

    def measurement(self, heights: Floats) -> Floats:
        """(N, 4) variances of a detection's position."""
        return self._measured.of(heights)


class _Variance:
    """Variances of (x, y, aspect, height): proportional to the squared height, but for the aspect's.

    Args:
        relative: standard deviation over the height.
        aspect: standard deviation of the aspect.
    """

    def __init__(self, relative: float, aspect: float) -> None:
        self._by_height = np.full(4, relative**2)
        self._by_height[ASPECT] = 0.0
        self._fixed = np.zeros(4)
        self._fixed[ASPECT] = aspect**2

    def of(self, heights: Floats, times: float = 1.0) -> Floats:
        """(N, 4) variances for heights (N,), `times` as many."""
        variance: Floats = (heights * heights)[:, None] * (self._by_height * times)
        variance += self._fixed * times
        return variance


class MotionFilter(Protocol):
    """What the tracker asks of a Kalman filter over N tracks, kept in rows 0..N-1."""

    def __len__(self) -> int:
        """Number of tracks."""

    @property
    def position(self) -> Floats:
        """(N, 4) estimates of (cx, cy, aspect, height) in pixels (aspect without unit)."""

    @property
    def velocity(self) -> Floats:
        """(N, 4) their estimated change per second."""

    def covariance(self) -> Floats:
        """(N, 8, 8) covariances, positions first and velocities after them."""

    def append(self, measured: Floats) -> None:
        """Add a track for each row of `measured` (M, 4)."""

    def remove(self, move: Move) -> None:
        """Give up tracks; see `relaytrack.trackers.rows.Move`."""

    def predict(self, dt: float) -> None:
        """Move every track `dt` seconds on."""

    def update(self, rows: Rows, measured: Floats, noise_scale: Floats) -> None:
        """Correct the tracks `rows` (M,) by `measured` (M, 4), measurement variance times `noise_scale` (M,)."""

    def projected(self) -> tuple[Floats, Floats]:
        """(N, 4) mean and (N, 4) variance of each track's next measurement."""

    def hold_shape(self, rows: Rows) -> None:
        """Set the velocity of aspect and height to zero: an unseen person does not shrink to nothing."""

    def warp(self, matrix: Floats) -> None:
        """Carry every state over into a picture that the camera's motion has moved by `matrix` (2, 3)."""


class BatchedKalman:
    """The filter as a handful of array operations on all tracks at once."""

    def __init__(self, noise: Noise | None = None) -> None:
        self._noise = noise or Noise()
        # Per track: position, velocity, variance of the position, its covariance with the velocity, variance
        # of the velocity; each of four coordinates.
        self._state = Column(5, 4)

    def __len__(self) -> int:
        """Number of tracks."""
        return len(self._state)

    @property
    def position(self) -> Floats:
        """(N, 4) estimates of (cx, cy, aspect, height)."""
        return self._state.values[:, 0]

    @property
    def velocity(self) -> Floats:
        """(N, 4) their change per second."""
        return self._state.values[:, 1]

    def covariance(self) -> Floats:
        """(N, 8, 8) covariances, positions first."""
        _, _, pp, pv, vv = self._state.values.swapaxes(0, 1)
        full = np.zeros((len(self), 8, 8))
        i = np.arange(4)
        full[:, i, i] = pp
        full[:, i, i + 4] = full[:, i + 4, i] = pv
        full[:, i + 4, i + 4] = vv
        return full

    def append(self, measured: Floats) -> None:
        """Add a track for each row of `measured` (M, 4)."""
        state = np.zeros((len(measured), 5, 4))
        state[:, 0] = measured
        state[:, 2], state[:, 4] = self._noise.initial(measured[:, HEIGHT])
        self._state.append(state)

    def remove(self, move: Move) -> None:
        """Give up tracks."""
        self._state.remove(move)

    def predict(self, dt: float) -> None:
        """Predict: x' = F x, P' = F P F^T + Q with F = [[1, dt], [0, 1]] for each coordinate and its velocity."""
        state = self._state.values.swapaxes(0, 1).copy()  # each part in one piece
        position, velocity, pp, pv, vv = state
        q_position, q_velocity = self._noise.process(position[:, HEIGHT], dt)
        position += dt * velocity
        pp += (2 * dt) * pv + (dt * dt) * vv + q_position
        pv += dt * vv
        vv += q_velocity
        self._state.values[:] = state.swapaxes(0, 1)

    def update(self, rows: Rows, measured: Floats, noise_scale: Floats) -> None:
        """K = P H^T / S; x += K (z - H x); P -= K H P, for each coordinate and its velocity."""
        state = self._state.values[rows].swapaxes(0, 1).copy()
        position, velocity, pp, pv, vv = state
        noise = self._noise.measurement(position[:, HEIGHT]) * noise_scale[:, None]
        s = pp + noise
        gain_v = pv / s
        innovation = measured - position
        velocity += gain_v * innovation
        vv -= gain_v * pv
        position += pp / s * innovation
        keep = noise / s  # one minus the position's gain
        pv *= keep
        pp *= keep
        self._state.values[rows] = state.swapaxes(0, 1)

    def projected(self) -> tuple[Floats, Floats]:
        """(N, 4) mean and variance of each track's next measurement."""
        position = self.position
        return position, self._state.values[:, 2] + self._noise.measurement(position[:, HEIGHT])

    def hold_shape(self, rows: Rows) -> None:
        """Set the velocity of aspect and height to zero."""
        self._state.values[rows, 1, ASPECT:] = 0.0

    def warp(self, matrix: Floats) -> None:
        """Warp: x' = A x + t for the centre, A v for its velocity, s = sqrt(det A) for heights.

        Variances of heights grow by s^2. Exact for a similarity: the variances of x and y are equal, so that turning
        leaves them as they are.
        """
        turn, scale = matrix[:, :2], zoom(matrix)
        state = self._state.values
        state[:, :2, :2] = state[:, :2, :2] @ turn.T
        state[:, 0, :2] += matrix[:, 2]
        state[:, :2, HEIGHT] *= scale
        state[:, 2:, :ASPECT] *= scale**2
        state[:, 2:, HEIGHT] *= scale**2


def zoom(matrix: Floats) -> float:
    """How much longer lengths are after an affine map (2, 3)."""
    return float(np.sqrt(np.linalg.det(matrix[:, :2])))


def squared_mahalanobis(motion: MotionFilter, measured: Floats) -> Floats:
    """(N, M) squared Mahalanobis distances of `measured` (M, 4) from the N tracks (paper, equation 1)."""
    mean, variance = motion.projected()
    whitened = 1.0 / np.sqrt(variance)
    a = (mean * whitened)[:, None, :] - measured[None] * whitened[:, None, :]
    distances: Floats = np.einsum("nmk,nmk->nm", a, a)
    return distances
