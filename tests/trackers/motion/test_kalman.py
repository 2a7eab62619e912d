"""Both Kalman filters under one test: the batched one, and the same model built with filterpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relaytrack.trackers.motion.kalman import REFERENCE_RATE, BatchedKalman, MotionFilter, Noise, squared_mahalanobis
from relaytrack.trackers.motion.kalman_reference import FilterpyKalman
from relaytrack.trackers.rows import Move

FRAME = 1 / REFERENCE_RATE


def people(rng: np.random.Generator, count: int) -> np.ndarray:
    """(count, 4) plausible measurements (cx, cy, aspect, height)."""
    low, high = (0, 0, 0.3, 40), (1920, 1080, 0.6, 300)
    return rng.uniform(low, high, (count, 4))


@pytest.fixture(params=[BatchedKalman, FilterpyKalman])
def motion(request: pytest.FixtureRequest) -> MotionFilter:
    return request.param()


def test_first_estimate_is_the_measurement(motion: MotionFilter) -> None:
    measured = people(np.random.default_rng(0), 5)
    motion.append(measured)
    np.testing.assert_array_equal(motion.position, measured)
    np.testing.assert_array_equal(motion.velocity, 0)


def test_noise_at_thirty_frames_per_second_is_the_papers(motion: MotionFilter) -> None:
    h = 100.0
    motion.append(np.array([[50.0, 60, 0.4, h]]))
    std = np.array([2 * h / 20, 2 * h / 20, 1e-2, 2 * h / 20])
    std_v = np.array([10 * h / 160, 10 * h / 160, 1e-5, 10 * h / 160]) * REFERENCE_RATE
    initial = np.diag(np.concatenate([std, std_v]) ** 2)
    np.testing.assert_allclose(motion.covariance()[0], initial, rtol=1e-12)
    motion.predict(FRAME)
    step = np.eye(8) + FRAME * np.eye(8, k=4)
    q_std = [h / 20, h / 20, 1e-2, h / 20]
    q_std_v = np.array([h / 160, h / 160, 1e-5, h / 160]) * REFERENCE_RATE
    process = np.diag(np.concatenate([q_std, q_std_v]) ** 2)
    np.testing.assert_allclose(motion.covariance()[0], step @ initial @ step.T + process, rtol=1e-12)
    _, variance = motion.projected()
    observed = motion.covariance()[0].diagonal()[:4] + np.array([h / 20, h / 20, 1e-1, h / 20]) ** 2
    np.testing.assert_allclose(variance[0], observed, rtol=1e-12)


def test_process_noise_grows_with_the_step() -> None:
    heights = np.array([80.0, 120.0])
    one = Noise().process(heights, FRAME)
    three = Noise().process(heights, 3 * FRAME)
    for a, b in zip(one, three, strict=True):
        np.testing.assert_allclose(b, 3 * a)


@pytest.mark.parametrize(("step", "low", "high"), [(1 / 7, 0.4, 0.45), (0.5, 0.57, 0.6)])
def test_outline_is_taken_from_the_detection_at_few_frames_per_second(
    motion: MotionFilter, step: float, low: float, high: float
) -> None:
    motion.append(np.array([[100.0, 200, 0.4, 120]]))
    motion.predict(step)
    motion.update(np.array([0]), np.array([[100.0, 200, 0.6, 120]]), np.ones(1))
    assert low < motion.position[0, 2] < high


def test_follows_a_walk_at_any_frame_rate(motion: MotionFilter) -> None:
    start, speed = np.array([100.0, 200, 0.4, 120]), np.array([60.0, -15, 0, 0])
    motion.append(start[None])
    for k in range(1, 60):
        motion.predict(0.1)
        motion.update(np.array([0]), (start + 0.1 * k * speed)[None], np.ones(1))
    np.testing.assert_allclose(motion.velocity[0], speed, atol=0.5)
    motion.predict(2.0)
    np.testing.assert_allclose(motion.position[0, :2], (start + 7.9 * speed)[:2], atol=2.0)


def test_held_shape_does_not_change_unseen(motion: MotionFilter) -> None:
    motion.append(np.array([[100.0, 200, 0.4, 120]]))
    for k in range(1, 10):
        motion.predict(FRAME)
        motion.update(np.array([0]), np.array([[100.0 + k, 200, 0.4, 120 - 3 * k]]), np.ones(1))
    motion.hold_shape(np.array([0]))
    before = motion.position[0, 2:].copy()
    motion.predict(60.0)
    np.testing.assert_array_equal(motion.position[0, 2:], before)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_batched_equals_filterpy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    both: tuple[MotionFilter, MotionFilter] = (BatchedKalman(), FilterpyKalman())
    for _ in range(12):
        born = people(rng, int(rng.integers(0, 4)))
        dt = float(rng.choice([0.0, FRAME, 1 / 7, rng.uniform(0, 2)]))
        for motion in both:
            motion.append(born)
            motion.predict(dt)
        n = len(both[0])
        rows = np.flatnonzero(rng.random(n) < 0.7)
        measured = both[1].position[rows] * rng.normal(1, 0.02, (len(rows), 4))
        noise = rng.uniform(0.05, 1, len(rows))
        unseen = np.flatnonzero(rng.random(n) < 0.2)
        move = Move.without(rng.random(n) < 0.15)
        for motion in both:
            motion.update(rows, measured, noise)
            motion.hold_shape(unseen)
            motion.remove(move)
        batched, reference = both
        tight = {"rtol": 1e-9, "atol": 1e-9}
        np.testing.assert_allclose(batched.position, reference.position, **tight)
        np.testing.assert_allclose(batched.velocity, reference.velocity, **tight)
        np.testing.assert_allclose(batched.covariance(), reference.covariance(), **tight)
        for a, b in zip(batched.projected(), reference.projected(), strict=True):
            np.testing.assert_allclose(a, b, **tight)


def test_gate_is_the_mahalanobis_distance(motion: MotionFilter) -> None:
    rng = np.random.default_rng(3)
    motion.append(people(rng, 6))
    motion.predict(0.2)
    measured = motion.position[::-1] * rng.normal(1, 0.05, (6, 4))
    mean, variance = motion.projected()
    expected = [[np.sum((z - m) ** 2 / s) for z in measured] for m, s in zip(mean, variance, strict=True)]
    np.testing.assert_allclose(squared_mahalanobis(motion, measured), expected)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_moving_camera_moves_both_filters_alike(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = BatchedKalman(), FilterpyKalman()
    start = people(rng, 4)
    for motion in (one, other):
        motion.append(start)
    for _ in range(6):
        angle, scale = rng.normal(0, 0.1), rng.uniform(0.8, 1.2)
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        warp = np.concatenate([turn, rng.normal(0, 30, (2, 1))], axis=1)
        rows = np.flatnonzero(rng.random(4) < 0.7)
        seen = one.position[rows] + rng.normal(0, 1, (len(rows), 4)) * np.array([5, 5, 0.02, 5])
        for motion in (one, other):
            motion.warp(warp)
            motion.predict(FRAME)
            motion.update(rows, seen, np.ones(len(rows)))
    np.testing.assert_allclose(one.position, other.position, rtol=1e-9)
    np.testing.assert_allclose(one.velocity, other.velocity, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(one.covariance(), other.covariance(), rtol=1e-7, atol=1e-9)
