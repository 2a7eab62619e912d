"""Pixels to metres."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relaytrack.trackers import CameraTracks, GroundPlane, IdentityAssociator, homography_from_points
from relaytrack.trackers.errors import TrackerInputError
from relaytrack.trackers.identities.ground_plane import rodrigues

K = np.array([[900.0, 0, 640], [0, 900, 360], [0, 0, 1]])


def camera(x, y, height=3.0, towards=(0.0, 0.0)):
    """A camera at (x, y, height) metres that looks at a point of the floor."""
    centre = np.array([x, y, height])
    ahead = np.array([*towards, 0.0]) - centre
    ahead /= np.linalg.norm(ahead)
    right = np.cross(ahead, [0, 0, 1.0])
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(ahead, right), ahead])
    return rotation, -rotation @ centre


def pixels(points, rotation, shift):
    seen = np.column_stack([points, np.zeros(len(points))]) @ rotation.T + shift
    image = seen @ K.T
    return image[:, :2] / image[:, 2:]


@settings(max_examples=40, deadline=None)
@given(st.floats(-6, 6), st.floats(-14, -7), st.floats(2, 6))
def test_calibration_and_point_pairs_agree_with_the_projection(x, y, height):
    rotation, shift = camera(x, y, height)
    floor = np.array([[-2.0, -2], [2, -2], [2, 2], [-2, 2], [0.5, 1]])
    image = pixels(floor, rotation, shift)
    plane = GroundPlane.from_calibration(K, rotation, shift)
    np.testing.assert_allclose(plane.project(image), floor, atol=1e-6)
    np.testing.assert_allclose(plane.to_pixels(floor), image, atol=1e-6)
    found = homography_from_points(image, floor)
    np.testing.assert_allclose(found.project(image), floor, atol=1e-6)


def test_nothing_stands_above_the_horizon():
    rotation, shift = camera(0, -8)
    plane = GroundPlane.from_calibration(K, rotation, shift)
    metres = plane.project([[640, 700], [640, -2000]])
    assert np.isfinite(metres[0]).all()
    assert np.isnan(metres[1]).all()


def test_distortion_is_taken_off():
    rotation, shift = camera(1, -8)
    floor = np.array([[0.0, 0], [2, 1], [-2, 3]])
    flat = (pixels(floor, rotation, shift) - K[:2, 2]) / 900
    k1, p1 = -0.12, 0.002
    r2 = (flat**2).sum(axis=1, keepdims=True)
    x, y = flat.T
    bent = flat * (1 + k1 * r2) + np.column_stack([2 * p1 * x * y, p1 * (r2[:, 0] + 2 * y * y)])
    plane = GroundPlane.from_calibration(K, rotation, shift, (k1, 0, p1, 0, 0))
    np.testing.assert_allclose(plane.project(bent * 900 + K[:2, 2]), floor, atol=1e-4)


def test_spread_is_that_of_shaken_boxes():
    rotation, shift = camera(0, -9)
    plane = GroundPlane.from_calibration(K, rotation, shift)
    box = np.array([[600.0, 200, 640, 420]])
    noise = np.random.default_rng(0).normal(size=(20_000, 2)) * [2, 3]
    shaken = np.repeat(box, len(noise), axis=0)
    shaken[:, [0, 2]] += noise[:, :1]
    shaken[:, 3] += noise[:, 1]
    np.testing.assert_allclose(plane.spread(box, [[2, 3]])[0], np.cov(plane.feet(shaken).T), rtol=0.1, atol=1e-3)


def test_rotation_vectors():
    np.testing.assert_allclose(rodrigues([0, 0, np.pi / 2]) @ [1, 0, 0], [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(rodrigues([0, 0, 0]), np.eye(3))


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (([[0, 0], [1, 1], [2, 2]], [[0, 0], [1, 1], [2, 2]]), "four pairs"),
        (([[0, 0], [1, 1], [2, 2], [3, 3]], [[0, 0], [1, 1], [2, 2], [3, 3]]), "line"),
    ],
)
def test_bad_points_are_refused(pairs, message):
    with pytest.raises(TrackerInputError, match=message):
        homography_from_points(*pairs)


@pytest.mark.parametrize(
    ("matrix", "rotation", "said"),
    [
        (np.zeros((3, 3)), np.eye(3), "camera_matrix must be fx 0 cx"),
        (K * 2, np.eye(3), "camera_matrix must be fx 0 cx"),
        (K, 2 * np.eye(3), "rotation is none"),
        (K, np.diag([1, 1, -1]), "rotation is none"),
        (K, np.zeros((3, 3)), "rotation is none"),
        (K, np.full((3, 3), np.nan), "finite"),
    ],
)
def test_what_is_no_calibration_is_refused(matrix, rotation, said):
    """Fault: a rotation that stretches was taken, and moved everybody; zeros gave numpy's warnings."""
    with pytest.raises(TrackerInputError, match=said):
        GroundPlane.from_calibration(matrix, rotation, [0, 0, 5])


def test_bad_matrices_are_refused():
    with pytest.raises(TrackerInputError, match="inverted"):
        GroundPlane.from_homography(np.zeros((3, 3)))
    with pytest.raises(TrackerInputError, match="3 x 3"):
        GroundPlane.from_homography(np.eye(4))


def test_people_are_told_apart_by_where_they_stand():
    """Two cameras, four people who walk, boxes alone; the second camera numbers them otherwise."""
    places = {"a": camera(0, -9), "b": camera(9, 1)}
    planes = {name: GroundPlane.from_calibration(K, *pose) for name, pose in places.items()}
    run = IdentityAssociator(calibrations=planes)
    start = np.array([[-2.0, 0], [0, 1.5], [1.5, -1], [2, 2]])
    way = np.array([[0.3, 0], [0, -0.3], [-0.2, 0.2], [-0.3, -0.1]])
    order = {"a": np.array([0, 1, 2, 3]), "b": np.array([2, 3, 0, 1])}
    for step in range(8):
        views = []
        for name, pose in places.items():
            feet = pixels((start + step * 0.5 * way)[order[name]], *pose)
            boxes = np.column_stack([feet[:, 0] - 20, feet[:, 1] - 110, feet[:, 0] + 20, feet[:, 1]])
            nothing = np.zeros((4, 0), np.float32)
            ids, ones = np.arange(1, 5), np.ones(4, np.float32)
            views.append(CameraTracks(name, step * 0.5, ids, boxes.astype(np.float32), ones, nothing))
        run.update(views)
    final = run.finalize()
    for person in range(4):
        mine = {final[name, int(np.flatnonzero(order[name] == person)[0]) + 1] for name in places}
        assert len(mine) == 1
    assert len(set(final.values())) == 4


@pytest.mark.parametrize(
    "places", [[[0, 0], [1, 0], [0, 1], [1, 1]], [[0, 0], [1, 1], [1, 0], [0, 1]], [[0, 1], [1, 0], [1, 1], [0, 0]]]
)
def test_places_in_another_order_than_their_pixels_are_told(places: list[list[float]]) -> None:
    """Fault: `relaytrack calibrate` wrote such a plane, "error mean nan m"."""
    corners = [[0, 0], [10, 0], [10, 10], [0, 10]]
    with pytest.raises(TrackerInputError, match=r"point \d lies at or above the horizon"):
        homography_from_points(corners, places)


@pytest.mark.parametrize(
    ("distortion", "said"),
    [
        ((-0.1, 0, 0, 0, 0, 0.3, 0, 0), "distortion has 8 numbers; only k1, k2, p1, p2 and k3"),
        ((np.nan,), "distortion must be finite"),
        ("lens", "distortion is not an array of numbers"),
    ],
)
def test_a_distortion_of_another_model_is_refused(distortion, said):
    """Fault: the further numbers of OpenCV's rational model were left out without a word; NaN put nobody anywhere."""
    rotation, shift = camera(1, -8)
    with pytest.raises(TrackerInputError, match=said):
        GroundPlane.from_calibration(K, rotation, shift, distortion)
    with pytest.raises(TrackerInputError, match=said):
        GroundPlane(np.eye(3), K, distortion)


def test_numbers_of_a_larger_model_that_are_all_zero_do_no_harm():
    rotation, shift = camera(1, -8)
    short = GroundPlane.from_calibration(K, rotation, shift, (-0.1, 0.01))
    long = GroundPlane.from_calibration(K, rotation, shift, [-0.1, 0.01, *[0.0] * 12])
    np.testing.assert_array_equal(short.project([[600, 500]]), long.project([[600, 500]]))


def test_a_translation_that_is_text_is_refused():
    with pytest.raises(TrackerInputError, match="translation is not an array of numbers"):
        GroundPlane.from_calibration(K, np.eye(3), "here")
