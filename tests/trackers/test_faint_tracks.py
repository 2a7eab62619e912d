"""Who is seen faintly but walks or stands upright is followed; what else stays faint in its place is nobody."""

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


def test_two_clear_looks_are_enough() -> None:
    boxes: list[list[float] | None] = [[10, 50, 50, 150]] * 10
    seen, early = follow(faint(), boxes, [0.55] * 2 + [0.7, 0.55, 0.7] + [0.55] * 5)
    assert seen == [0] * 4 + [1] * 6
    assert early == 4
    assert follow(faint(), boxes, [0.7, 0.7, *[0.55] * 8])[0] == [0, 0, *[1] * 8], "as soon as hits confirm a track"


@pytest.mark.parametrize("clear", [0, 4])
def test_a_sign_that_is_seen_clearly_once_is_nobody(clear: int) -> None:
    """Fault: with 896 pixels a sign of PETS09 had one score of 0.6, and was followed for a minute."""
    scores = [0.55] * 60
    scores[clear] = 0.7
    assert follow(faint(upright_track_thresh=0.45), standing(60, 60), scores)[0] == [0] * 60


def test_where_only_clear_detections_begin_a_track_one_is_enough() -> None:
    boxes: list[list[float] | None] = [[10, 50, 50, 150]] * 10
    assert follow(DeepSort(adapt_scores=False), boxes, [0.7] + [0.55] * 9)[0] == [0, 0, *[1] * 8]


def standing(count: int, width: float) -> list[list[float] | None]:
    """Something 100 pixels high that stays in its place, with the jitter of a detector."""
    jitter = np.random.default_rng(1).normal(0, 1, (count, 4))
    return [(np.array([10.0, 50, 10 + width, 150]) + one).tolist() for one in jitter]


def test_somebody_who_stands_upright_is_followed_from_the_first_box_on() -> None:
    """Fault: of a group that stood and talked in the dark, half were never followed."""
    seen, early = follow(faint(upright_track_thresh=0.45), standing(30, 38), [0.46] * 30)
    assert seen == [0] * 5 + [1] * 25  # half a second
    assert early == 5
    assert follow(faint(), standing(30, 38), [0.46] * 30)[0] == [0] * 30


def test_scores_of_who_stands_may_go_up_and_down() -> None:
    scores = [0.46, *[0.5, 0.35] * 15]
    assert follow(faint(upright_track_thresh=0.45), standing(31, 38), scores)[0][-20:] == [1] * 20
    low = [0.46, *[0.4, 0.35] * 15]
    assert follow(faint(upright_track_thresh=0.45), standing(31, 38), low)[0] == [0] * 31


def test_a_wide_sign_is_nobody_where_upright_people_count() -> None:
    tracker = faint(upright_track_thresh=0.45)
    assert follow(tracker, standing(400, 60), [0.48] * 400) == ([0] * 400, 0)
    mixed = [a if k % 2 else b for k, (a, b) in enumerate(zip(standing(60, 44), standing(60, 60), strict=True))]
    assert follow(faint(upright_track_thresh=0.45), mixed, [0.48] * 60)[0] == [0] * 60, "wide on average"


def test_who_is_never_proven_is_given_up() -> None:
    tracker = faint(upright_track_thresh=0.45, moving_track_time=2.0)
    scores = [0.46, *[0.3] * 60]
    assert follow(tracker, standing(61, 38), scores) == ([0] * 61, 0)
    assert len(tracker) == 0


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
    with pytest.raises(TrackerInputError, match="upright_track_thresh"):
        DeepSort(upright_track_thresh="tall")
    with pytest.raises(TrackerInputError, match="track_low_time"):
        DeepSort(track_low_time="long")
