"""PK batches and random views."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from relaytrack.reid.datasets.augment import Augment
from relaytrack.reid.datasets.sampler import PKSampler
from relaytrack.reid.errors import DatasetError

IDS = np.repeat(np.arange(10), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]).astype(np.int64)


def test_a_batch_has_p_identities_with_k_images_each() -> None:
    sampler = PKSampler(IDS, 3, 4, seed=1)
    assert sampler.steps_per_epoch == 3
    assert sampler.single == 1
    seen: list[int] = []
    for step in range(3):
        ids = IDS[sampler.batch(step)].reshape(3, 4)
        assert (ids == ids[:, :1]).all()
        seen += ids[:, 0].tolist()
    assert len(set(seen)) == 9, "an epoch is one pass over the identities"


def test_images_of_an_identity_repeat_only_where_it_has_too_few() -> None:
    sampler = PKSampler(IDS, 10, 4)
    for row in sampler.batch(0).reshape(10, 4):
        assert len(set(row.tolist())) == min(4, int((IDS[row[0]] == IDS).sum()))


@pytest.mark.parametrize("world", [1, 2, 4])
def test_the_global_batch_is_the_same_for_any_number_of_processes(world: int) -> None:
    alone, shared = PKSampler(IDS, 4, 2, seed=3), PKSampler(IDS, 4, 2, seed=3)
    for step in (0, 5, 2):  # in any order: nothing is remembered
        parts = [shared.share(step, rank, world) for rank in range(world)]
        np.testing.assert_array_equal(np.concatenate(parts), alone.batch(step))


def test_what_cannot_be_sampled_is_refused() -> None:
    with pytest.raises(DatasetError, match="10 identities are too few for batches of 16"):
        PKSampler(IDS, 16)
    with pytest.raises(DatasetError, match="no identity has two images"):
        PKSampler(np.arange(20), 4)
    with pytest.raises(DatasetError, match="cannot be shared by 3 processes"):
        PKSampler(IDS, 4, 2).share(0, 0, 3)


def test_without_any_change_the_view_is_the_resized_image() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 20, 3), dtype=np.uint8)
    image = cv2.GaussianBlur(image, (0, 0), 3).astype(np.uint8)
    plain = Augment(flip=0, shift=0, erase=0)
    same = plain.view(image, 40, 20, np.random.default_rng(0))
    np.testing.assert_array_equal(same, image)
    larger = plain.view(image, 80, 40, np.random.default_rng(0)).astype(int)
    expected = cv2.resize(image, (40, 80)).astype(int)
    assert np.abs(larger - expected)[2:-2, 2:-2].max() <= 3


def test_flip_mirrors() -> None:
    image = np.random.default_rng(0).integers(0, 256, (8, 6, 3), dtype=np.uint8)
    view = Augment(flip=1, shift=0, erase=0).view(image, 8, 6, np.random.default_rng(0))
    np.testing.assert_array_equal(view, image[:, ::-1])


def test_views_are_a_function_of_the_generator() -> None:
    image = np.full((64, 32, 3), 90, np.uint8)
    image[20:40] = (200, 30, 60)
    strong = Augment(scale=0.2, jitter=1, grey=0.2, downscale=0.5, blur=0.5)
    views = [strong.view(image, 64, 32, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(views[0], views[1])
    assert (views[0] != views[2]).any()
    assert views[0].shape == (64, 32, 3)
    assert views[0].dtype == np.uint8


def test_erasing_leaves_most_of_the_picture() -> None:
    image = np.full((64, 32, 3), 7, np.uint8)
    for seed in range(10):
        view = Augment(flip=0, shift=0, erase=1).view(image, 64, 32, np.random.default_rng(seed))
        erased = (view != 7).any(2).mean()
        assert 0.01 < erased < 0.4


def test_grey_has_no_colour() -> None:
    image = np.random.default_rng(0).integers(0, 256, (16, 8, 3), dtype=np.uint8)
    view = Augment(flip=0, shift=0, erase=0, grey=1).view(image, 16, 8, np.random.default_rng(0))
    assert (view == view[:, :, :1]).all()
