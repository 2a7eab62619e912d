"""Places of plates: all people at once, each as if alone."""

from __future__ import annotations

import numpy as np

from relaytrack.pipeline.render.plates import RELUCTANCE, heads_covered, pixels_outside, plate_places

BOXES = np.array([[50, 50, 80, 120], [70, 40, 100, 110], [300, 300, 330, 380]], np.float32)
SIZES = np.array([[20, 10], [30, 12], [20, 10]], np.float64)


def test_places_have_the_plates_sizes_and_touch_the_box() -> None:
    places = plate_places(BOXES, SIZES)
    assert places.shape == (3, len(RELUCTANCE), 4)
    np.testing.assert_allclose(places[..., 2:] - places[..., :2], np.broadcast_to(SIZES[:, None], (3, 6, 2)))
    np.testing.assert_allclose(places[0, 0], [49, 40, 69, 50])
    near = np.concatenate([BOXES[:, :2] - 1, BOXES[:, 2:] + 1], axis=1)[:, None]
    assert ((places[..., :2] <= near[..., 2:]) & (places[..., 2:] >= near[..., :2])).all()


def test_only_the_heads_of_others_are_covered() -> None:
    places = np.array([[[50, 50, 60, 60]], [[75, 60, 85, 70]], [[300, 300, 310, 310]]], np.float32)
    # the second plate lies on the first one's head by 5 x 10 pixels, the others on their own heads or on nobody's
    np.testing.assert_allclose(heads_covered(places, BOXES), [[0], [50], [0]])


def test_each_person_is_placed_as_if_alone_but_for_the_others_heads() -> None:
    together = plate_places(BOXES, SIZES)
    for row in range(len(BOXES)):
        np.testing.assert_array_equal(together[row], plate_places(BOXES[row : row + 1], SIZES[row : row + 1])[0])
    assert heads_covered(together[:1], BOXES[:1]).max() == 0


def test_what_lies_outside_counts_on_every_side() -> None:
    places = np.array([[0, 0, 10, 10], [-3, 0, 10, 10], [0, -4, 10, 10], [95, 90, 105, 102]], np.float32)
    np.testing.assert_allclose(pixels_outside(places, 100, 100), [0, 3, 4, 7])


def test_nobody_has_no_places() -> None:
    places = plate_places(np.zeros((0, 4), np.float32), np.zeros((0, 2)))
    assert places.shape == (0, 6, 4)
    assert heads_covered(places, np.zeros((0, 4), np.float32)).shape == (0, 6)
