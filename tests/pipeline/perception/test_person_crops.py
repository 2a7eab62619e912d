"""Crops: the batched operation equals a plain per-box resize, and depends on nothing but its own picture."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from relaytrack.pipeline.perception.person_crops import Cropper, at_least_a_pixel
from relaytrack.pipeline.records import Floats, Image

SIZE = (64, 32)


def picture(seed: int, height: int, width: int) -> Image:
    rng = np.random.default_rng(seed)
    return cv2.GaussianBlur(rng.integers(0, 256, (height, width, 3), dtype=np.uint8), (5, 5), 1.5)


def plain_resize(image: Image, box: Floats, size: tuple[int, int]) -> Floats:
    x1, y1, x2, y2 = box.astype(int)
    part = image[y1:y2, x1:x2].astype(np.float32) / 255
    return cv2.resize(part, size[::-1], interpolation=cv2.INTER_LINEAR).transpose(2, 0, 1)


def test_equals_a_plain_resize_of_each_box() -> None:
    images = [picture(0, 90, 120), picture(1, 90, 120), picture(2, 150, 70)]
    boxes = [
        np.array([[0, 0, 120, 90], [5, 7, 20, 41], [100, 50, 120, 90]], np.float32),
        np.zeros((0, 4), np.float32),
        np.array([[3, 2, 33, 66], [30, 100, 31, 101]], np.float32),
    ]
    crops = Cropper(SIZE).crop(images, boxes)
    assert crops.shape == (5, 3, *SIZE)
    assert crops.dtype == torch.float32
    expected = [plain_resize(image, box, SIZE) for image, found in zip(images, boxes, strict=True) for box in found]
    np.testing.assert_allclose(crops.numpy(), np.stack(expected), atol=2e-4)


def test_is_rgb_between_0_and_1() -> None:
    image = np.zeros((40, 40, 3), np.uint8)
    image[:, :, 0] = 255
    crop = Cropper(SIZE).crop([image], [np.array([[4.3, 5.1, 20.7, 33.9]], np.float32)])[0]
    assert torch.allclose(crop[0], torch.ones(SIZE))
    assert not crop[1:].any()


def test_fractional_boxes_sample_between_pixels() -> None:
    ramp = np.repeat(np.arange(0, 250, 10, dtype=np.uint8)[None, :, None], 20, axis=0).repeat(3, axis=2)
    crop = Cropper((8, 4)).crop([ramp], [np.array([[2.25, 1, 6.25, 9]], np.float32)])[0]
    np.testing.assert_allclose(crop[0, 0].numpy() * 255, np.array([22.5, 32.5, 42.5, 52.5]), atol=0.01)


def test_large_boxes_are_averaged_not_picked() -> None:
    stripes = np.zeros((256, 128, 3), np.uint8)
    stripes[::2] = 200
    crop = Cropper((32, 16)).crop([stripes], [np.array([[0, 0, 128, 256]], np.float32)])
    np.testing.assert_allclose(crop.numpy() * 255, 100, atol=1)


def test_a_crop_is_the_same_to_the_last_bit_whoever_shares_the_batch() -> None:
    rng = np.random.default_rng(3)
    images = [picture(seed, *shape) for seed, shape in enumerate([(90, 120), (90, 120), (301, 77), (90, 120)])]
    boxes = []
    for _ in images:
        low = rng.uniform(-5, 40, (6, 2))
        boxes.append(np.concatenate([low, low + rng.uniform(1, 200, (6, 2))], 1).astype(np.float32))
    boxes[1] = boxes[1][:2]
    cropper = Cropper(SIZE)
    together = cropper.crop(images, boxes)
    alone = torch.cat([Cropper(SIZE).crop([image], [found]) for image, found in zip(images, boxes, strict=True)])
    one_by_one = torch.cat(
        [cropper.crop([i], [b[None]]) for i, found in zip(images, boxes, strict=True) for b in found]
    )
    assert torch.equal(together, alone)
    assert torch.equal(together, one_by_one)


def test_pictures_of_an_earlier_batch_leave_no_trace() -> None:
    cropper, box = Cropper(SIZE), np.array([[0, 0, 30, 50]], np.float32)
    first = cropper.crop([picture(0, 90, 120), picture(1, 90, 120)], [box, box])
    kept = first.clone()
    second = cropper.crop([picture(2, 90, 120)], [box])
    assert torch.equal(first, kept)
    assert torch.equal(second, Cropper(SIZE).crop([picture(2, 90, 120)], [box]))


@pytest.mark.parametrize(
    "box",
    [(10, 10, 10, 10), (10, 30, 5, 20), (-50, -50, -10, -10), (500, 500, 600, 600), (20, 89.7, 60, 200)],
    ids=["empty", "turned over", "left above", "right below", "sliver"],
)
def test_degenerate_boxes_give_at_least_a_pixel(box: tuple[float, ...]) -> None:
    image = picture(4, 90, 120)
    crop = Cropper(SIZE).crop([image], [np.array([box], np.float32)])
    assert crop.shape == (1, 3, *SIZE)
    assert bool(torch.isfinite(crop).all())
    assert float(crop.max()) <= 1
    assert float(crop.std()) < 0.2


def test_read_only_and_turned_pictures_are_taken_too() -> None:
    image, box = picture(0, 50, 60), np.array([[2, 3, 30, 40]], np.float32)
    turned = image[::-1, ::-1]
    frozen = np.ascontiguousarray(turned)
    frozen.flags.writeable = False
    cropper = Cropper(SIZE)
    assert torch.equal(cropper.crop([turned], [box]), cropper.crop([frozen], [box]))


def test_no_boxes_give_no_crops() -> None:
    empty = np.zeros((0, 4), np.float32)
    assert Cropper(SIZE).crop([picture(0, 9, 9)], [empty]).shape == (0, 3, *SIZE)
    assert Cropper(SIZE).crop([], []).shape == (0, 3, *SIZE)


corner = st.floats(-300, 300, width=32)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(corner, corner, corner, corner), max_size=5), st.integers(1, 200), st.integers(1, 200))
def test_regions_lie_in_the_picture_and_hold_a_pixel(boxes: list[tuple[float, ...]], height: int, width: int) -> None:
    regions = at_least_a_pixel(np.array(boxes, np.float32).reshape(-1, 4), height, width)
    assert (regions >= 0).all()
    assert (regions <= np.array([width, height, width, height])).all()
    assert (regions[:, 2:] - regions[:, :2] >= 1 - 1e-4).all()
