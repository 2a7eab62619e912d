"""What the tracker of one camera must not depend on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.following import follow

from relaytrack.trackers import DeepSort, DeepSortParams

Crowd = Callable[..., list[Any]]
SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=12, deadline=None)
@given(seed=SEEDS, classic=st.booleans(), looks=st.booleans())
def test_ids_are_unique_in_a_frame(crowd: Crowd, seed: int, classic: bool, looks: bool) -> None:
    tracker = DeepSort.classic() if classic else DeepSort(report_coasting=True)
    for result in follow(tracker, crowd(seed, people=12, clutter=3.0), looks):
        assert len(set(result.ids.tolist())) == len(result.ids)
        rows = result.indices[~result.coasting]
        assert len(set(rows.tolist())) == len(rows)
        assert np.isfinite(result.xyxy).all()


@settings(max_examples=12, deadline=None)
@given(seed=SEEDS, classic=st.booleans())
def test_order_of_detections_does_not_matter(crowd: Crowd, seed: int, classic: bool) -> None:
    make = DeepSort.classic if classic else DeepSort
    one, other = make(), make()
    rng = np.random.default_rng(seed)
    for s in crowd(seed, people=10, clutter=2.0):
        mixed = rng.permutation(len(s.scores))
        a = one.update(s.xyxy, s.scores, s.embeddings, s.time)
        b = other.update(s.xyxy[mixed], s.scores[mixed], s.embeddings[mixed], s.time)
        np.testing.assert_array_equal(a.ids, b.ids)
        np.testing.assert_array_equal(a.xyxy, b.xyxy)
        np.testing.assert_array_equal(a.indices, mixed[b.indices])


@settings(max_examples=12, deadline=None)
@given(seed=SEEDS, origin=st.sampled_from([-3600.0, 1234.5, 1.75e9]))
def test_origin_of_time_does_not_matter(crowd: Crowd, seed: int, origin: float) -> None:
    one, other = DeepSort(), DeepSort()
    for s in crowd(seed, fps=30.0):
        a = one.update(s.xyxy, s.scores, s.embeddings, s.time)
        b = other.update(s.xyxy, s.scores, s.embeddings, origin + s.time)
        np.testing.assert_array_equal(a.ids, b.ids)
        np.testing.assert_array_equal(a.xyxy, b.xyxy)


@settings(max_examples=12, deadline=None)
@given(seed=SEEDS, scale=st.sampled_from([0.25, 0.7, 1.9, 8.0]), classic=st.booleans())
def test_size_of_the_image_does_not_matter(crowd: Crowd, seed: int, scale: float, classic: bool) -> None:
    make = DeepSort.classic if classic else DeepSort
    one, other = make(), make()
    for s in crowd(seed):
        a = one.update(s.xyxy, s.scores, s.embeddings, s.time)
        b = other.update(s.xyxy * scale, s.scores, s.embeddings, s.time)
        np.testing.assert_array_equal(a.ids, b.ids)
        np.testing.assert_allclose(a.xyxy * scale, b.xyxy, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("classic", [False, True])
def test_both_filters_give_the_same_tracks(crowd: Crowd, classic: bool) -> None:
    base = DeepSortParams.classic() if classic else DeepSortParams()
    one, other = (DeepSort(base, kalman=kalman) for kalman in ("batched", "filterpy"))
    for s in crowd(11, people=10, frames=40, found=0.7):
        a = one.update(s.xyxy, s.scores, s.embeddings, s.time)
        b = other.update(s.xyxy, s.scores, s.embeddings, s.time)
        np.testing.assert_array_equal(a.ids, b.ids)
        np.testing.assert_allclose(a.xyxy, b.xyxy, rtol=1e-5)


def test_frame_rate_hardly_matters(crowd: Crowd) -> None:
    for fps in (5.0, 60.0):
        shots = crowd(2, people=5, frames=int(4 * fps), fps=fps, found=0.95, clutter=0.0)
        assert max(r.ids.max(initial=0) for r in follow(DeepSort(), shots)) == 5


def shaken(shots: list[Any], seed: int) -> list[tuple[Any, Any, Any]]:
    """Shots as a camera sees them that turns and shakes: (shot, its boxes there, the warp from the last frame)."""
    rng = np.random.default_rng(seed)
    seen, last = [], np.eye(3)
    for k, shot in enumerate(shots):
        now = np.eye(3)
        now[:2, 2] = rng.normal((500 + 25 * k, 500), 60)  # no box left of the picture
        now[0, 0] = now[1, 1] = 1 + 0.1 * np.sin(k / 3)
        boxes = shot.xyxy * now[0, 0] + np.tile(now[:2, 2], 2)
        seen.append((shot, boxes, (now @ np.linalg.inv(last))[:2]))
        last = now
    return seen


def test_known_camera_motion_is_as_good_as_a_fixed_camera(crowd: Crowd) -> None:
    shots = crowd(3, people=12, frames=40, clutter=0.0)
    fixed, told, untold = DeepSort(), DeepSort(), DeepSort()
    for shot, boxes, warp in shaken(shots, 3):
        a = fixed.update(shot.xyxy, shot.scores, None, shot.time)
        b = told.update(boxes, shot.scores, None, shot.time, warp=warp)
        c = untold.update(boxes, shot.scores, None, shot.time)
        assert dict(zip(a.ids, a.indices, strict=True)) == dict(zip(b.ids, b.indices, strict=True))
    assert b.ids.max() == a.ids.max()
    assert c.ids.max(initial=99) > 2 * b.ids.max()
