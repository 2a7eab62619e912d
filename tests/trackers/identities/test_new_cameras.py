"""Cameras that come while a run goes on: they are not taken for the ones that were there before."""

import numpy as np
import pytest
from support.wanderers import unit

from relaytrack.trackers import IdentityParams
from relaytrack.trackers.identities.affinity import AffinityModel
from relaytrack.trackers.identities.topology import CLASSES, KINDS, TravelTimes, gaps, is_later

D = 16


def test_embeddings_of_a_new_camera_are_centred_by_the_mean_of_all():
    """Fault: they were centred by the mean of the camera that came last before."""
    rng = np.random.default_rng(0)
    looks, cameras = unit(rng.normal(size=(60, D)) + 0.5), np.repeat([0, 1, 2], 20)
    looks[cameras == 2] = unit(looks[cameras == 2] + np.eye(D)[0])  # the last one is tinted
    model = AffinityModel(IdentityParams())
    model.learn(looks, cameras, 3)
    new = unit(rng.normal(size=(4, D)) + 0.5)
    common = looks.astype(float).sum(axis=0) / (60 + IdentityParams().centre_weight)
    np.testing.assert_allclose(model.centre(new, np.full(4, 3)), unit(new - common), atol=1e-6)
    np.testing.assert_allclose(model.centre(new, np.full(4, 7)), unit(new - common), atol=1e-6)
    assert np.abs(model.centre(new, np.full(4, 2)) - unit(new - common)).max() > 0.05


@pytest.mark.parametrize("count", [3, 80])
def test_times_between_a_new_camera_and_others_are_those_of_all_pairs(count):
    """Fault: they were those of the camera that came last before, which nobody may reach."""
    rng = np.random.default_rng(1)
    start = np.sort(rng.uniform(0, 300, 300))
    last, camera = start + rng.uniform(1, 20, 300), rng.integers(0, count, 300)
    slots = np.arange(300)
    gap, later = (
        gaps(start[:, None], last[:, None], start, last),
        is_later(start[:, None], start, slots[:, None], slots),
    )
    sure = (rng.random((300, 300)) < 0.02) & (camera[:, None] != count - 1) & (camera != count - 1)
    counts, times = TravelTimes.counts(count), TravelTimes()
    counts.add(gap, later, camera, camera, rng.integers(0, KINDS, (300, 300)), sure, np.ones_like(sure))
    for _ in times.learn(counts):
        pass
    waits, kind = np.array([[1.5, 50.0, 500.0, -10.0]]), np.full((1, 4), 5)
    one, later = np.zeros((1, 1), np.int64), np.ones((1, 4), bool)
    new = [times.follow(waits, later, one, np.full((1, 4), camera), kind) for camera in (count, count + 5)]
    np.testing.assert_array_equal(new[0], new[1])
    np.testing.assert_array_equal(
        new[0], times.follow(waits, later, np.full((1, 1), count), np.zeros((1, 4), int), kind)
    )
    nowhere = times._table[0 if count > 64 else -1]  # the pair that does not exist
    assert nowhere.shape == (KINDS, CLASSES)
    np.testing.assert_allclose(
        new[0][0, :3],
        nowhere[5, np.searchsorted([0, 0.5, 1, 2, 4, 7, 12, 20, 35, 60, 100, 200, 400, 800], waits[0, :3])],
    )
    assert not times.at_once(waits, one, np.full((1, 4), count)).any()
    assert times.most >= new[0].max()


def test_of_two_cameras_that_see_people_at_once_nothing_follows_for_a_third():
    counts, times = TravelTimes.counts(2), TravelTimes()
    gap = np.full((40, 40), -8.0)
    later = np.triu(np.ones((40, 40), bool), 1)
    camera = np.arange(40) % 2
    apart = camera[:, None] != camera
    counts.add(gap, later, camera, camera, np.zeros((40, 40), int), apart, np.ones((40, 40), bool))
    for _ in times.learn(counts):
        pass
    waits, row, column = np.array([[-8.0, -8.0]]), np.array([[0]]), np.array([[1, 2]])
    at_once = times.at_once(waits, row, column)[0]
    assert at_once[0] > 0.5
    assert at_once[1] == 0
