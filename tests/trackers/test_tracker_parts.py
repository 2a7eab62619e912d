"""The smaller parts of the tracker: boxes, rows, memories of looks, scales."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relaytrack.trackers import boxes
from relaytrack.trackers.appearance import RecentEmbeddings, RunningMean
from relaytrack.trackers.rows import Column, Move
from relaytrack.trackers.score_calibration import AppearanceScale, ScoreCalibration


def random_boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    corner = rng.uniform(0, 100, (count, 2))
    return np.concatenate([corner, corner + rng.uniform(1, 60, (count, 2))], axis=1)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(0, 6), m=st.integers(0, 6))
def test_iou_equals_the_definition(seed: int, n: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = random_boxes(rng, n), random_boxes(rng, m)
    expected = np.zeros((n, m))
    for i in range(n):
        for j in range(m):
            side = np.minimum(a[i, 2:], b[j, 2:]) - np.maximum(a[i, :2], b[j, :2])
            shared = np.prod(side.clip(0))
            union = np.prod(a[i, 2:] - a[i, :2]) + np.prod(b[j, 2:] - b[j, :2]) - shared
            expected[i, j] = shared / union
    np.testing.assert_allclose(boxes.iou(a, b), expected, rtol=1e-4, atol=1e-6)


def test_forms_of_a_box_are_inverse() -> None:
    xyxy = random_boxes(np.random.default_rng(0), 20)
    np.testing.assert_allclose(boxes.to_xyxy(boxes.to_xyah(xyxy)), xyxy)


@settings(max_examples=40, deadline=None)
@given(sizes=st.lists(st.integers(0, 30), min_size=1, max_size=6), seed=st.integers(0, 2**32 - 1))
def test_rows_keep_together_through_births_and_deaths(sizes: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, two = Column(dtype=np.int64), Column(3)
    alive: set[int] = set()
    born = 0
    for size in sizes:
        names = np.arange(born, born + size)
        born += size
        one.append(names)
        two.append(np.repeat(names[:, None], 3, axis=1))
        dead = rng.random(len(one)) < 0.5
        alive = (alive | set(names.tolist())) - set(one.values[dead].tolist())
        move = Move.without(dead)
        one.remove(move)
        two.remove(move)
        assert set(one.values.tolist()) == alive
        np.testing.assert_array_equal(two.values, np.repeat(one.values[:, None], 3, axis=1))
    assert one.capacity <= max(16, 2 * born)


@pytest.mark.parametrize("memory", [RunningMean(4, 0.9), RecentEmbeddings(4, 3)], ids=["mean", "gallery"])
def test_memory_learns_and_forgets_by_row(memory: RunningMean | RecentEmbeddings) -> None:
    axes = np.eye(4, dtype=np.float32)
    memory.append(axes[:2], np.array([True, True]))
    memory.append(np.zeros((1, 4), np.float32), np.array([False]))
    assert memory.known.tolist() == [True, True, False]
    np.testing.assert_allclose(memory.cosines(axes)[:2], np.eye(4)[:2], atol=1e-6)
    memory.learn(np.array([2]), axes[3:])
    assert memory.known.all()
    memory.remove(Move.without(np.array([True, False, False])))
    np.testing.assert_allclose(memory.cosines(axes).max(axis=1), 1.0)
    np.testing.assert_array_equal(memory.cosines(axes).argmax(axis=1), [3, 1])


def test_gallery_keeps_the_newest() -> None:
    gallery = RecentEmbeddings(4, 2)
    axes = np.eye(4, dtype=np.float32)
    gallery.append(axes[:1], np.array([True]))
    for axis in (1, 2):
        gallery.learn(np.array([0]), axes[axis : axis + 1])
    assert gallery.cosines(axes)[0].tolist() == [0.0, 1.0, 1.0, 0.0]


def test_scores_are_worth_what_they_turned_out_to_be() -> None:
    shy, noisy = ScoreCalibration(), ScoreCalibration()
    rng = np.random.default_rng(0)
    for _ in range(80):
        scores = np.concatenate([rng.uniform(0.2, 0.5, 10), rng.uniform(0.5, 0.8, 10)])
        for calibration, good in ((shy, 0.2), (noisy, 0.5)):
            calibration.expect(scores)
            calibration.observe(scores, scores > good)
    three = np.array([0.3])
    assert shy.probability(three)[0] > 0.9
    assert noisy.probability(three)[0] < 0.1
    rising = noisy.probability(np.linspace(0, 1, 30))
    assert (np.diff(rising) >= 0).all()


def test_first_guess_follows_the_detectors_scale() -> None:
    small, large = ScoreCalibration(), ScoreCalibration()
    small.expect(np.array([0.35, 0.38, 0.1]))
    large.expect(np.array([0.9, 0.95, 0.3]))
    assert small.probability(np.array([0.35]))[0] > 0.9
    assert large.probability(np.array([0.35]))[0] < 0.3


def test_appearance_scale_learns_the_embedder() -> None:
    scale = AppearanceScale()
    cosines = np.full((20, 20), 0.7, np.float32)
    np.fill_diagonal(cosines, 0.95)
    for _ in range(60):
        scale.observe(cosines, cosines.diagonal(), cosines.size)
    assert scale.same == pytest.approx(0.95, abs=0.01)
    assert scale.strangers == pytest.approx(0.7, abs=0.01)
    assert scale.span == pytest.approx(0.25, abs=0.02)


def test_signs_that_stay_are_no_proof_of_people() -> None:
    scores = np.concatenate([np.full(10, 0.32), np.full(4, 0.75)])
    signs = scores < 0.5
    fooled, wise, nobody_moves = ScoreCalibration(), ScoreCalibration(), ScoreCalibration()
    everything = np.ones(len(scores), bool)
    for _ in range(80):
        for one in (fooled, wise, nobody_moves):
            one.expect(scores)
        fooled.observe(scores, everything)
        wise.observe(scores, everything, signs)
        nobody_moves.observe(scores, everything, everything)
    low, high = np.array([0.32]), np.array([0.75])
    assert fooled.probability(low)[0] > 0.9
    assert wise.probability(low)[0] < 0.4  # no more than the guess
    assert nobody_moves.probability(high)[0] > 0.9  # clear people may sit for hours


def test_nothing_is_proven_before_it_was_seen() -> None:
    one = ScoreCalibration()
    scores = np.full(20, 0.8)
    one.expect(scores)
    assert one.probability(scores)[0] > 0.9
    assert one.proven(scores)[0] == 0.0
    for _ in range(40):
        one.expect(scores)
        one.observe(scores, np.ones(20, bool))
    assert one.proven(scores)[0] > 0.95
