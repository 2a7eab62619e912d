"""Non-maximum suppression, clipping, letterbox and tiles: the geometry that detectors share."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import nms

from relaytrack.pipeline.perception.detectors.base import greedy_keep, inside_picture, suppress
from relaytrack.pipeline.perception.detectors.letterbox import Letterbox, Normaliser
from relaytrack.pipeline.perception.detectors.tiles import View, merge_views, share_inside, views_of
from relaytrack.pipeline.records import Detections, Floats
from relaytrack.trackers.boxes import iou


def random_boxes(seed: int, count: int) -> Detections:
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 60, (count, 2))
    boxes = np.concatenate([low, low + rng.uniform(2, 60, (count, 2))], 1).astype(np.float32)
    return Detections(boxes, rng.uniform(0, 1, count).astype(np.float32))


def test_overlap_of_known_boxes() -> None:
    boxes = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30], [3, 3, 3, 3]], np.float32)
    overlap = iou(boxes, boxes)
    assert overlap[0, 0] == 1
    assert overlap[0, 1] == pytest.approx(1 / 3)
    assert overlap[0, 2] == overlap[3, 3] == 0
    assert share_inside(boxes[:1], boxes[1:2])[0, 0] == pytest.approx(0.5)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 25), st.floats(0, 1))
def test_keeping_all_at_once_equals_one_after_the_other(seed: int, count: int, density: float) -> None:
    suppresses = np.random.default_rng(seed).uniform(size=(count, count)) < density
    expected = np.ones(count, bool)
    for box in range(count):
        expected[box] = not any(expected[better] and suppresses[better, box] for better in range(box))
    assert np.array_equal(greedy_keep(suppresses), expected)


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.8])
def test_suppression_equals_torchvision(threshold: float) -> None:
    found = random_boxes(1, 120)
    expected = nms(torch.from_numpy(found.xyxy), torch.from_numpy(found.scores), threshold).numpy()
    kept = suppress(found, threshold, max_people=1000)
    np.testing.assert_array_equal(kept.xyxy, found.xyxy[expected])
    np.testing.assert_array_equal(kept.scores, found.scores[expected])


def test_suppression_keeps_the_best_and_no_more_than_asked() -> None:
    found = random_boxes(2, 50)
    kept = suppress(found, 1.0, max_people=7)
    np.testing.assert_array_equal(kept.scores, np.sort(found.scores)[::-1][:7])
    assert len(suppress(Detections.empty(), 0.5, 10)) == 0


def test_boxes_are_cut_to_the_picture() -> None:
    boxes = np.array([[-5, -5, 10, 10], [95, 10, 130, 20], [200, 0, 300, 50], [40, 20, 40.5, 60]], np.float32)
    kept = inside_picture(Detections(boxes, np.array([0.9, 0.8, 0.7, 0.6], np.float32)), 100, 50)
    np.testing.assert_array_equal(kept.xyxy, [[0, 0, 10, 10], [95, 10, 100, 20]])
    np.testing.assert_array_equal(kept.scores, np.array([0.9, 0.8], np.float32))


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 4000), st.integers(1, 4000), st.sampled_from([256, 416, 640, 1000]))
def test_letterbox_holds_the_picture_and_maps_back(width: int, height: int, side: int) -> None:
    box = Letterbox.fit(width, height, side)
    assert box.width % 32 == box.height % 32 == 0
    assert max(box.inner) == side
    assert 0 <= box.width - box.inner[0] < 32
    assert 0 <= box.height - box.inner[1] < 32
    whole = np.array([[0, 0, *box.inner]], np.float32)
    np.testing.assert_allclose(box.back(whole), [[0, 0, width, height]], rtol=1e-6)


def test_input_is_letterboxed_and_normalised() -> None:
    image = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (60, 100, 3), dtype=np.uint8), (7, 7), 2)
    mean, std, box = (10.0, 20.0, 30.0), (2.0, 4.0, 8.0), Letterbox.fit(100, 60, 64)
    out = np.full((3, box.height, box.width), np.nan, np.float32)
    Normaliser(mean, std, bgr=True).fill(out, image, box)
    padded = np.zeros((box.height, box.width, 3), np.float32)
    padded[: box.inner[1], : box.inner[0]] = cv2.resize(image, box.inner)
    expected = (padded[:, :, ::-1] - mean) / std
    np.testing.assert_allclose(out, expected.transpose(2, 0, 1), atol=1e-5)


@settings(max_examples=80, deadline=None)
@given(st.integers(2, 3000), st.integers(2, 3000), st.integers(1, 8))
def test_tiles_cover_the_picture_and_overlap(width: int, height: int, tiles: int) -> None:
    whole, *parts = views_of(width, height, tiles)
    assert (whole.x, whole.y, whole.width, whole.height) == (0, 0, width, height)
    assert not any(whole.inner)
    assert len(parts) == (tiles**2 if tiles > 1 else 0)
    for low, length, size in (("x", "width", width), ("y", "height", height)):
        spans = sorted({(getattr(p, low), getattr(p, low) + getattr(p, length)) for p in parts})
        if parts:
            assert spans[0][0] == 0
            assert spans[-1][1] == size
        assert all(left[1] >= right[0] for left, right in pairwise(spans))
    for part in parts:
        ends = (part.x > 0, part.y > 0, part.x + part.width < width, part.y + part.height < height)
        assert part.inner == ends


def as_seen(view: View, people: Floats) -> Floats:
    """Boxes of whole people as a perfect detector would give them in one view."""
    shift = np.array([view.x, view.y, view.x, view.y], np.float32)
    limit = np.array([view.width, view.height, view.width, view.height], np.float32)
    boxes = np.clip(people - shift, 0, limit)
    return boxes[((boxes[:, 2:] - boxes[:, :2]) >= 4).all(axis=1)]


def test_people_cut_by_a_tile_are_found_once_and_whole() -> None:
    rng = np.random.default_rng(5)
    low = np.stack(np.meshgrid(np.arange(12) * 150 + 20, np.arange(4) * 250 + 30), 2).reshape(-1, 2)
    people = np.concatenate([low, low + np.array([60, 180])], 1).astype(np.float32)
    views = views_of(1920, 1080, 3)
    parts = []
    for view in views:
        boxes = as_seen(view, people)
        parts.append((view, Detections(boxes, rng.uniform(0.3, 0.9, len(boxes)).astype(np.float32))))
    merged = merge_views(parts, 0.6, 300)
    assert len(merged) == len(people)
    assert (iou(people, merged.xyxy).max(axis=1) > 0.99).all()
    assert (np.diff(merged.scores) <= 0).all()


def test_half_a_person_inside_a_whole_one_of_another_view_goes_but_not_within_a_view() -> None:
    whole, tile = View(0, 0, 200, 200), View(0, 0, 120, 120, (False, False, True, True))
    person, half = np.array([[10, 10, 50, 110]], np.float32), np.array([[10, 10, 50, 60]], np.float32)
    sure, unsure = np.array([0.9], np.float32), np.array([0.5], np.float32)
    apart = [(whole, Detections(person, sure)), (tile, Detections(half, unsure))]
    assert len(merge_views(apart, 0.6, 300)) == 1
    one_view = Detections(np.concatenate([person, half]), np.concatenate([sure, unsure]))
    assert len(merge_views([(whole, one_view)], 0.6, 300)) == 2
