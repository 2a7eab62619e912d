"""The tracker of one camera: what it gives back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.following import box, follow

from relaytrack.trackers import DeepSort

Crowd = Callable[..., list[Any]]


def test_result_has_the_promised_types(make: Callable[[], DeepSort], crowd: Crowd) -> None:
    shots = crowd(1)
    result = follow(make(), shots)[-1]
    assert len(result) >= 3
    types = [a.dtype for a in (result.ids, result.xyxy, result.scores, result.indices, result.coasting)]
    assert types == [np.int64, np.float32, np.float32, np.int64, np.bool_]
    assert not result.coasting.any()
    np.testing.assert_array_equal(result.scores, shots[-1].scores[result.indices])
    assert (np.abs(result.xyxy - shots[-1].xyxy[result.indices]) < 20).all()
    assert (np.diff(result.ids) > 0).all()


def test_a_person_keeps_the_number(make: Callable[[], DeepSort], crowd: Crowd) -> None:
    shots = crowd(5, people=5, frames=40, fps=30.0)
    results = follow(make(), shots)
    owners: dict[int, list[int]] = {}
    for shot, result in zip(shots, results, strict=True):
        for person, number in zip(shot.people[result.indices], result.ids, strict=True):
            owners.setdefault(int(person), []).append(int(number))
    seen = [numbers for person, numbers in owners.items() if person >= 0]
    assert len(seen) == 5
    assert all(len(set(numbers)) == 1 for numbers in seen)


@pytest.mark.parametrize("n_init", [1, 2, 3, 5])
def test_n_init_counts_hits(n_init: int) -> None:
    tracker = DeepSort(n_init=n_init)
    counts = [len(tracker.update([box(10 + k)], [0.9], None, k / 30)) for k in range(6)]
    assert counts == [0] * (n_init - 1) + [1] * (7 - n_init)


def test_two_hits_confirm_once_scores_are_proven() -> None:
    for early, hits in ((0.01, 2), (0.0, 3)):
        tracker = DeepSort(early_doubt=early)
        crowd = [box(100.0 * k) for k in range(10)]
        for k in range(60):
            tracker.update(crowd, [0.9] * 10, None, k / 30)
        counts = [len(tracker.update([*crowd, box(1500)], [0.9] * 11, None, 2 + k / 30)) for k in range(4)]
        assert counts == [10] * (hits - 1) + [11] * (5 - hits)


@pytest.mark.parametrize(("fps", "early", "hits"), [(2.0, 0.25, 2), (2.0, 0.0, 3), (2.0, 0.6, 3), (30.0, 0.25, 3)])
def test_two_hits_confirm_where_they_lie_far_apart_in_time(fps: float, early: float, hits: int) -> None:
    tracker = DeepSort(early_time=early)
    counts = [len(tracker.update([box(100 + k)], [0.9], None, k / fps)) for k in range(4)]
    assert counts == [0] * (hits - 1) + [1] * (5 - hits)


def test_beside_a_lost_track_all_hits_are_waited_for_at_few_frames_per_second_too() -> None:
    looks = np.eye(2, 8, dtype=np.float32)
    tracker = DeepSort()
    for k in range(8):
        tracker.update([box(100)], [0.9], looks[:1], k / 2)
    counts = [len(tracker.update([box(110)], [0.9], looks[1:], 4 + k / 2)) for k in range(3)]
    assert counts == [0, 0, 1]


def test_at_few_frames_per_second_somebody_of_other_looks_beside_the_place_is_somebody_else() -> None:
    looks = np.array([[1.0, 0.0], [0.53, np.sqrt(1 - 0.53**2)]], np.float32)
    tracker = DeepSort()
    for k in range(4):
        first = tracker.update([box(100)], [0.9], looks[:1], k / 2).ids.tolist()
    shown = [tracker.update([box(145)], [0.9], looks[1:], 2 + k / 2).ids.tolist() for k in range(4)]
    assert first == [1]
    assert shown[-1] == [2]
    assert [1] not in shown


@pytest.mark.parametrize("kalman", ["batched", "filterpy"])
def test_at_few_frames_per_second_boxes_follow_the_outline(kalman: Any) -> None:
    tracker = DeepSort(kalman=kalman)
    edge, bottom = 640.0, 300.0
    overlaps = []
    for k in range(12):  # somebody walks in at the right edge, legs apart in every second picture
        left = 630.0 - 30 * k
        right = min(edge, left + (40 if k % 2 else 70))
        result = tracker.update([[left, 100, right, bottom]], [0.9], None, k / 2)
        for shown in result.xyxy:
            common = min(right, shown[2]) - max(left, shown[0])
            overlaps.append(common / (max(right, shown[2]) - min(left, shown[0])))
    assert len(overlaps) >= 9
    assert min(overlaps) > 0.7


def test_beside_a_lost_track_all_hits_are_waited_for() -> None:
    looks = np.eye(12, 16, dtype=np.float32)
    tracker = DeepSort()
    crowd = [box(100.0 * k) for k in range(10)]
    for k in range(60):
        tracker.update([*crowd, box(1500)], [0.9] * 11, looks[:11], k / 30)
    tracker.update(crowd, [0.9] * 10, looks[:10], 2.0)
    other = looks[[*range(10), 11]]
    counts = [len(tracker.update([*crowd, box(1515)], [0.9] * 11, other, 2.1 + k / 30)) for k in range(4)]
    assert counts == [10, 10, 11, 11]


def test_a_false_detection_never_becomes_a_person_at_once() -> None:
    tracker = DeepSort()
    crowd = [box(100.0 * k) for k in range(10)]
    rng = np.random.default_rng(0)
    for k in range(300):
        ghost = box(float(rng.uniform(1200, 60000)), float(rng.uniform(0, 5000)))
        assert len(tracker.update([*crowd, ghost], [0.99] * 11, None, k / 30)) <= 10


@pytest.mark.parametrize("fps", [5.0, 30.0])
def test_max_age_is_in_seconds(fps: float) -> None:
    for unseen, same in ((1.8, True), (2.4, False)):
        tracker = DeepSort(max_age=2.0, n_init=2)
        frames = round(1 + unseen * fps)
        before = [tracker.update([box(10)], [0.9], [[1.0, 0]], k / fps) for k in range(4)]
        for k in range(4, 3 + frames):
            tracker.update(np.zeros((0, 4)), [], np.zeros((0, 2)), k / fps)
        after = [tracker.update([box(10)], [0.9], [[1.0, 0]], (3 + frames + k) / fps) for k in range(3)]
        assert (after[-1].ids[0] == before[-1].ids[0]) is np.True_ if same else after[-1].ids[0] == 2


def test_appearance_finds_people_again_who_swapped_places() -> None:
    looks = np.eye(2, 8, dtype=np.float32)
    tracker = DeepSort()
    for k in range(10):
        first = tracker.update([box(300), box(345)], [0.9, 0.9], looks, k / 10)
    for k in range(10, 15):
        tracker.update(np.zeros((0, 4)), [], None, k / 10)
    for k in range(15, 20):
        last = tracker.update([box(300), box(345)], [0.9, 0.9], looks[::-1], k / 10)
    assert first.ids.tolist() == [1, 2]
    assert dict(zip(last.ids, last.indices, strict=True)) == {1: 1, 2: 0}


def test_coasting_tracks_are_an_option_and_flagged() -> None:
    silent, telling = DeepSort(), DeepSort(report_coasting=True, coast_time=0.5)
    for k in range(15):
        for tracker in (silent, telling):
            tracker.update([box(10 + 3 * k)], [0.9], None, k / 10)
    shown = []
    for k in range(15, 25):
        assert len(silent.update(np.zeros((0, 4)), [], None, k / 10)) == 0
        result = telling.update(np.zeros((0, 4)), [], None, k / 10)
        shown.append(len(result))
        assert result.coasting.all()
        assert (result.indices == -1).all()
        if len(result):
            assert result.xyxy[0, 0] == pytest.approx(10 + 3 * k, abs=2.0)
    assert shown == [1] * 5 + [0] * 5


def test_backfill_gives_the_boxes_before_confirmation() -> None:
    tracker = DeepSort(n_init=3)
    boxes = [[box(10 + 2 * k), box(500 + 2 * k)][: 1 + (k > 0)] for k in range(4)]
    results = []
    past = []
    for k, now in enumerate(boxes):
        results.append(tracker.update(now, [0.9] * len(now), None, 50 + k / 30))
        past.append(tracker.pop_backfill())
    assert [len(p) for p in past] == [0, 0, 2, 2]
    assert past[2].ids.tolist() == [1, 1]
    assert past[2].frames.tolist() == [0, 1]
    assert past[2].times.tolist() == [50, 50 + 1 / 30]
    assert past[2].indices.tolist() == [0, 0]
    np.testing.assert_allclose(past[2].xyxy[:, 0], [10, 12], atol=1)
    assert past[3].ids.tolist() == [2, 2]
    assert past[3].frames.tolist() == [1, 2]
    assert past[3].indices.tolist() == [1, 1]
    assert [r.confirmed_now.tolist() for r in results] == [[], [], [True], [False, True]]
    assert len(tracker.pop_backfill()) == 0


def test_a_second_box_of_a_tracked_person_starts_no_track_but_a_neighbour_does() -> None:
    looks = np.eye(3, 8, dtype=np.float32)
    for second, people in ((looks[0], 2), (looks[2], 3)):
        tracker = DeepSort()
        for k in range(12):
            pair = [box(300), box(600)]
            if k < 6:
                result = tracker.update(pair, [0.9, 0.9], looks[:2], k / 30)
            else:
                three = np.concatenate([looks[:2], second[None]])
                result = tracker.update([*pair, box(318)], [0.9, 0.9, 0.8], three, k / 30)
        assert result.ids.tolist() == list(range(1, people + 1))


def test_who_looks_like_somebody_in_view_is_followed() -> None:
    alike = np.ones((2, 1), np.float32)
    tracker = DeepSort()
    for k in range(30):
        pair = [box(100), *([box(500)] if k >= 10 else [])]
        result = tracker.update(pair, [0.9] * len(pair), alike[: len(pair)], k / 30)
    assert result.ids.tolist() == [1, 2]
