"""Who is seen faintly but walks is followed; what stays faint in its place is nobody."""

from __future__ import annotations

import numpy as np
import pytest

from relaytrack.trackers import DeepSort, TrackerInputError

STEP = 0.1


def follow(tracker: DeepSort, boxes: list[list[float] | None], scores: list[float]) -> tuple[list[int], int]:
    """Ids seen in each frame (0: none) and the number of boxes from before confirmation."""
    seen, early = [], 0
    for number, (box, score) in enumerate(zip(boxes, scores, strict=True)):
        found = np.zeros((0, 4)) if box is None else np.array([box])
        result = tracker.update(found, np.full(len(found), score), None, number * STEP)
        early += len(tracker.pop_backfill())
        seen.append(int(result.ids[0]) if len(result) else 0)
    return seen, early


def walker(count: int, step: float = 6.0) -> list[list[float] | None]:
    """Somebody 100 pixels high who walks to the right."""
    return [[10 + step * k, 50, 50 + step * k, 150] for k in range(count)]


def faint(**settings: float) -> DeepSort:
    return DeepSort(adapt_scores=False, moving_track_thresh=0.5, **settings)


def test_a_faint_walker_is_followed_from_the_first_box_on() -> None:
    seen, early = follow(faint(), walker(30), [0.55] * 30)
    first = seen.index(1)
    assert 3 < first < 15  # half a height, 50 pixels, from where the track began
    assert seen[first:] == [1] * (30 - first)
    assert early == first
    assert follow(DeepSort(adapt_scores=False), walker(30), [0.55] * 30)[0] == [0] * 30


def test_a_sign_that_is_as_faint_is_nobody_however_long_it_stands() -> None:
    tracker = faint()
    jitter = np.random.default_rng(0).normal(0, 3, (400, 4))
    boxes: list[list[float] | None] = [(np.array([10.0, 50, 50, 150]) + one).tolist() for one in jitter]
    assert follow(tracker, boxes, [0.55] * 400) == ([0] * 400, 0)
    assert len(tracker) <= 2


def test_one_clear_look_is_enough() -> None:
    boxes: list[list[float] | None] = [[10, 50, 50, 150]] * 10
    seen, early = follow(faint(), boxes, [0.55] * 4 + [0.7] + [0.55] * 5)
    assert seen == [0] * 4 + [1] * 6
    assert early == 4


def test_a_bag_does_not_stand_in_for_who_left_it() -> None:
    boxes = walker(20) + [[124, 52, 162, 148]] * 100
    scores = [0.8] * 20 + [0.2] * 100
    with_limit = follow(faint(track_low_time=3.0), boxes, scores)[0]
    assert with_limit[20:45] == [1] * 25
    assert with_limit[52:] == [0] * 68
    assert follow(faint(), boxes, scores)[0][20:] == [1] * 100


def test_wrong_values_are_named() -> None:
    with pytest.raises(TrackerInputError, match="moving_track_thresh"):
        DeepSort(moving_track_thresh=-1)
    with pytest.raises(TrackerInputError, match="track_low_time"):
        DeepSort(track_low_time="long")
