"""The first boxes of tracks, set right with hindsight."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from relaytrack.trackers.heads import mend_heads


def walkers(start, speed, frames):
    """Boxes (people x frames, 4) of people 100 pixels tall who walk straight."""
    middle = np.asarray(start, float)[:, None] + np.asarray(speed, float)[:, None] * np.arange(frames)[:, None]
    middle = middle.reshape(-1, 2)
    return np.hstack([middle - np.array([20, 50]), middle + np.array([20, 50])])


def test_two_who_were_mixed_up_at_the_start_are_put_right():
    boxes = walkers([[0, 100], [60, 100]], [[60, 0], [60, 0]], 6)
    truth = np.repeat([1, 2], 6)
    frames = np.tile(np.arange(6), 2)
    ids = truth.copy()
    ids[[1, 7]] = [2, 1]  # frame 1
    early = frames < 2
    np.testing.assert_array_equal(mend_heads(frames, ids, boxes, early), truth)
    ids[[0, 6]] = [2, 1]  # and frame 0
    np.testing.assert_array_equal(mend_heads(frames, ids, boxes, early), truth)


def test_what_is_right_or_confirmed_stays():
    boxes = walkers([[0, 100], [300, 100], [50, 300]], [[20, 0], [-20, 0], [0, 0]], 6)
    ids, frames = np.repeat([1, 2, 3], 6), np.tile(np.arange(6), 3)
    np.testing.assert_array_equal(mend_heads(frames, ids, boxes, frames < 2), ids)
    swapped = ids.copy()
    swapped[[5, 11]] = [2, 1]
    np.testing.assert_array_equal(mend_heads(frames, swapped, boxes, frames < 0), swapped)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(2, 7))
def test_only_early_boxes_change_hands_within_their_frame(seed, people, length):
    rng = np.random.default_rng(seed)
    boxes = walkers(rng.uniform(0, 300, (people, 2)), rng.normal(0, 40, (people, 2)), length)
    ids, frames = np.repeat(np.arange(1, people + 1), length), np.tile(np.arange(length), people)
    keep = rng.random(len(ids)) < 0.8
    ids, frames, boxes = ids[keep], frames[keep], boxes[keep]
    early = frames < rng.integers(0, 4)
    out = mend_heads(frames, ids, boxes, early)
    np.testing.assert_array_equal(out[~early], ids[~early])
    for frame in np.unique(frames):
        assert sorted(out[frames == frame]) == sorted(ids[frames == frame])
