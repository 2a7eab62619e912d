"""The tracker of one camera: its interface, what it must not depend on, and what it must survive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relaytrack.trackers import DeepSort, DeepSortParams, TimeError, TrackerError, TrackerInputError, TrackResult

Crowd = Callable[..., list[Any]]
SEEDS = st.integers(0, 2**32 - 1)
MAKERS = {
    "default": DeepSort,
    "classic": DeepSort.classic,
    "filterpy": lambda: DeepSort(kalman="filterpy"),
}


@pytest.fixture(params=MAKERS)
def make(request: pytest.FixtureRequest) -> Callable[[], DeepSort]:
    return MAKERS[request.param]


def follow(tracker: DeepSort, shots: list[Any], looks: bool = True) -> list[TrackResult]:
    return [tracker.update(s.xyxy, s.scores, s.embeddings if looks else None, s.time) for s in shots]


def box(x: float, y: float = 100.0, height: float = 100.0) -> list[float]:
    return [x, y, x + 0.4 * height, y + height]


# What it gives back


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


# What it must not depend on


@settings(max_examples=12, deadline=None)
@given(seed=SEEDS, classic=st.booleans(), looks=st.booleans())
def test_ids_are_unique_in_a_frame(crowd: Crowd, seed: int, classic: bool, looks: bool) -> None:
    tracker = DeepSort.classic() if classic else DeepSort(report_coasting=True)
    for result in follow(tracker, crowd(seed, people=12, clutter=3.0), looks):
        assert len(set(result.ids.tolist())) == len(result.ids)
        rows = result.indices[~result.coasting]
        assert len(set(rows.tolist())) == len(rows)
        assert np.isfinite(result.xyxy).all()


@settings(max_examples=12, deadline=None)
@given(seed=SEEDS, classic=st.booleans())
def test_order_of_detections_does_not_matter(crowd: Crowd, seed: int, classic: bool) -> None:
    make = DeepSort.classic if classic else DeepSort
    one, other = make(), make()
    rng = np.random.default_rng(seed)
    for s in crowd(seed, people=10, clutter=2.0):
        mixed = rng.permutation(len(s.scores))
        a = one.update(s.xyxy, s.scores, s.embeddings, s.time)
        b = other.update(s.xyxy[mixed], s.scores[mixed], s.embeddings[mixed], s.time)
        np.testing.assert_array_equal(a.ids, b.ids)
        np.testing.assert_array_equal(a.xyxy, b.xyxy)
        np.testing.assert_array_equal(a.indices, mixed[b.indices])


@settings(max_examples=12, deadline=None)
@given(seed=SEEDS, origin=st.sampled_from([-3600.0, 1234.5, 1.75e9]))
def test_origin_of_time_does_not_matter(crowd: Crowd, seed: int, origin: float) -> None:
    one, other = DeepSort(), DeepSort()
    for s in crowd(seed, fps=30.0):
        a = one.update(s.xyxy, s.scores, s.embeddings, s.time)
        b = other.update(s.xyxy, s.scores, s.embeddings, origin + s.time)
        np.testing.assert_array_equal(a.ids, b.ids)
        np.testing.assert_array_equal(a.xyxy, b.xyxy)


@settings(max_examples=12, deadline=None)
@given(seed=SEEDS, scale=st.sampled_from([0.25, 0.7, 1.9, 8.0]), classic=st.booleans())
def test_size_of_the_image_does_not_matter(crowd: Crowd, seed: int, scale: float, classic: bool) -> None:
    make = DeepSort.classic if classic else DeepSort
    one, other = make(), make()
    for s in crowd(seed):
        a = one.update(s.xyxy, s.scores, s.embeddings, s.time)
        b = other.update(s.xyxy * scale, s.scores, s.embeddings, s.time)
        np.testing.assert_array_equal(a.ids, b.ids)
        np.testing.assert_allclose(a.xyxy * scale, b.xyxy, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("classic", [False, True])
def test_both_filters_give_the_same_tracks(crowd: Crowd, classic: bool) -> None:
    base = DeepSortParams.classic() if classic else DeepSortParams()
    one, other = (DeepSort(base, kalman=kalman) for kalman in ("batched", "filterpy"))
    for s in crowd(11, people=10, frames=40, found=0.7):
        a = one.update(s.xyxy, s.scores, s.embeddings, s.time)
        b = other.update(s.xyxy, s.scores, s.embeddings, s.time)
        np.testing.assert_array_equal(a.ids, b.ids)
        np.testing.assert_allclose(a.xyxy, b.xyxy, rtol=1e-5)


def test_frame_rate_hardly_matters(crowd: Crowd) -> None:
    for fps in (5.0, 60.0):
        shots = crowd(2, people=5, frames=int(4 * fps), fps=fps, found=0.95, clutter=0.0)
        assert max(r.ids.max(initial=0) for r in follow(DeepSort(), shots)) == 5


def shaken(shots: list[Any], seed: int) -> list[tuple[Any, Any, Any]]:
    """Shots as a camera sees them that turns and shakes: (shot, its boxes there, the warp from the last frame)."""
    rng = np.random.default_rng(seed)
    seen, last = [], np.eye(3)
    for k, shot in enumerate(shots):
        now = np.eye(3)
        now[:2, 2] = rng.normal((500 + 25 * k, 500), 60)  # no box left of the picture
        now[0, 0] = now[1, 1] = 1 + 0.1 * np.sin(k / 3)
        boxes = shot.xyxy * now[0, 0] + np.tile(now[:2, 2], 2)
        seen.append((shot, boxes, (now @ np.linalg.inv(last))[:2]))
        last = now
    return seen


def test_known_camera_motion_is_as_good_as_a_fixed_camera(crowd: Crowd) -> None:
    shots = crowd(3, people=12, frames=40, clutter=0.0)
    fixed, told, untold = DeepSort(), DeepSort(), DeepSort()
    for shot, boxes, warp in shaken(shots, 3):
        a = fixed.update(shot.xyxy, shot.scores, None, shot.time)
        b = told.update(boxes, shot.scores, None, shot.time, warp=warp)
        c = untold.update(boxes, shot.scores, None, shot.time)
        assert dict(zip(a.ids, a.indices, strict=True)) == dict(zip(b.ids, b.indices, strict=True))
    assert b.ids.max() == a.ids.max()
    assert c.ids.max(initial=99) > 2 * b.ids.max()


@pytest.mark.parametrize("warp", [np.eye(3), np.full((2, 3), np.nan), [[-1, 0, 0], [0, 1, 0]], np.zeros((2, 3))])
def test_a_warp_that_makes_no_sense_is_refused(warp: Any) -> None:
    tracker = DeepSort()
    tracker.update([box(10)], [0.9], None, 0.0)
    with pytest.raises(TrackerInputError, match="warp"):
        tracker.update([box(10)], [0.9], None, 1.0, warp=warp)
    assert len(tracker.update([box(10)], [0.9], None, 0.01, warp=np.eye(2, 3))) == 0


# What it must survive


@pytest.mark.parametrize(
    "bad",
    [
        [10, 10, 10, 50],
        [10, 10, 50, 10],
        [50, 10, 10, 50],
        [np.nan, 0, 10, 10],
        [0, 0, np.inf, 10],
        [-np.inf, 0, 10, 10],
        [-50, -50, -1, -1],
        [0, 0, 1e9, 10],
        [3000, 10, 3050, 60],
    ],
    ids=str,
)
def test_degenerate_boxes_are_rejected_and_counted(make: Callable[[], DeepSort], bad: list[float]) -> None:
    tracker = make()
    for k in range(5):
        looks = [[1.0, 0], [0, 1]]
        result = tracker.update([bad, box(10)], [0.9, 0.9], looks, k / 10, frame_size=(1920, 1080))
    assert tracker.rejected == 5
    assert result.indices.tolist() == [1]
    assert np.isfinite(result.xyxy).all()


@pytest.mark.parametrize("dt", [0.1, 0.4])
def test_a_box_that_shrinks_away_is_predicted_without_a_height_and_does_no_harm(
    make: Callable[[], DeepSort], dt: float
) -> None:
    tracker, look = make(), np.eye(1, 8, dtype=np.float32)
    for step, height in enumerate([200.0, 180.0, 150.0, 115.0, 75.0, 35.0]):
        tracker.update(np.array([box(100.0, 300 - height, height)]), np.array([0.9]), look, step * dt)
    for step in range(6, 16):
        seen = tracker.update(np.array([box(400.0)]), np.array([0.9]), look, step * dt)
        assert np.isfinite(seen.xyxy).all()


def test_a_score_that_is_no_number_is_rejected() -> None:
    tracker = DeepSort()
    assert len(tracker.update([box(10)], [np.nan], None, 0.0)) == 0
    assert tracker.rejected == 1


def test_frames_without_anybody(make: Callable[[], DeepSort], crowd: Crowd) -> None:
    tracker = make()
    for k in range(3):
        assert len(tracker.update([], [], None, k / 10)) == 0
    for s in crowd(3):
        tracker.update(s.xyxy, s.scores, s.embeddings, 10 + s.time)
        result = tracker.update(np.zeros((0, 4)), np.zeros(0), np.zeros((0, 16)), 10.05 + s.time)
        assert len(result) == 0
        assert result.xyxy.shape == (0, 4)


def test_gap_of_minutes_ends_all_tracks(make: Callable[[], DeepSort], crowd: Crowd) -> None:
    tracker = make()
    before = follow(tracker, crowd(4))
    shots = crowd(4, frames=5)
    after = [tracker.update(s.xyxy, s.scores, s.embeddings, 600 + s.time) for s in shots]
    assert not set(before[-1].ids.tolist()) & set(after[-1].ids.tolist())
    assert np.isfinite(after[-1].xyxy).all()


def test_embeddings_may_lack_for_some_or_all(make: Callable[[], DeepSort], crowd: Crowd) -> None:
    rng = np.random.default_rng(0)
    tracker = make()
    for k, s in enumerate(crowd(6, frames=40)):
        looks = s.embeddings.copy()
        looks[rng.random(len(looks)) < 0.4] = np.nan
        result = tracker.update(s.xyxy, s.scores, looks if k % 3 else None, s.time)
        assert np.isfinite(result.xyxy).all()
    assert len(result) >= 4


def test_a_thousand_people(crowd: Crowd) -> None:
    shots = crowd(7, people=1000, frames=4, found=1.0, clutter=0.0, fps=30.0)
    result = follow(DeepSort(), shots)[-1]
    assert len(result) > 950
    assert (shots[-1].people[result.indices] == shots[2].people[result.indices]).all()


def test_time_must_not_go_backwards(make: Callable[[], DeepSort]) -> None:
    tracker = make()
    tracker.update([box(10)], [0.9], None, 5.0)
    tracker.update([box(10)], [0.9], None, 5.0)
    for wrong in (4.999, float("nan"), float("inf")):
        with pytest.raises(TimeError, match="time"):
            tracker.update([box(10)], [0.9], None, wrong)
    assert len(tracker.update([box(10)], [0.9], None, 5.1)) == 1


@pytest.mark.parametrize(
    ("xyxy", "scores", "embeddings", "names"),
    [
        ([[1, 2, 3]], [1], None, "xyxy"),
        ([1, 2, 3, 4], [1], None, "xyxy"),
        ([[1, 2, 3, 4]], [1, 2], None, "scores"),
        ([[1, 2, 3, 4]], [1], [[1, 0], [0, 1]], "embeddings"),
        ([[1, 2, 3, 4]], [1], [1, 0], "embeddings"),
        ([["a", 2, 3, 4]], [1], None, "xyxy"),
        ([[1, 2, 3, 4]], [1], [[1, 0, 0]], "embeddings"),
    ],
)
def test_arrays_that_do_not_fit(xyxy: Any, scores: Any, embeddings: Any, names: str) -> None:
    tracker = DeepSort()
    tracker.update([box(10)], [0.9], [[1.0, 0]], 0.0)
    with pytest.raises(TrackerInputError, match=names):
        tracker.update(xyxy, scores, embeddings, 1.0)
    assert len(tracker.update([box(10)], [0.9], [[1.0, 0]], 0.01)) == 0  # the wrong call left no trace


def test_memory_is_bounded() -> None:
    tracker = DeepSort(max_tracks=60)
    rng = np.random.default_rng(0)
    most = 0
    for k in range(150):
        corner = rng.uniform((0, 0), (5000, 5000), (50, 2))
        xyxy = np.concatenate([corner, corner + np.array([40, 100])], axis=1)
        looks = rng.normal(size=(50, 8))
        tracker.update(xyxy, np.full(50, 0.9), looks / np.linalg.norm(looks, axis=1, keepdims=True), k / 10)
        most = max(most, len(tracker))
        assert len(tracker._diary) <= 10
    assert most <= 60
    for k in range(200):
        tracker.update([], [], None, 20 + k / 10)
    assert len(tracker) == 0
    assert tracker._tracks._life.capacity <= 32


def test_who_dies_anyway_makes_room_first() -> None:
    """Fault: where one track too many was there, a lost one went although another ended in the same frame."""
    tracker = DeepSort(max_tracks=2)
    person, noise, other = [100, 100, 140, 200], [900, 100, 940, 200], [500, 500, 540, 600]
    for k in range(8):
        kept = tracker.update([person], [0.9], None, k / 10)
    tracker.update([noise], [0.9], None, 0.8)  # lost once, and never seen again
    for k in range(9, 9 + round(10 * tracker.params.tentative_age)):
        tracker.update([], [], None, k / 10)
    tracker.update([other], [0.9], None, 0.9 + tracker.params.tentative_age)
    back = tracker.update([person, other], [0.9, 0.9], None, 1.0 + tracker.params.tentative_age)
    assert kept.ids.tolist()[0] in back.ids.tolist()


# Settings


def test_settings_are_checked() -> None:
    for name, value in [
        ("n_init", 0),
        ("n_init", 1.5),
        ("max_age", -1.0),
        ("max_age", float("nan")),
        ("kalman", "extended"),
        ("new_track_iou", 1.2),
        ("adapt_scores", 1),
        ("velocity_noise", 0.0),
        ("appearance_weight", "much"),
    ]:
        with pytest.raises(TrackerInputError, match=name):
            DeepSort(**{name: value})
    with pytest.raises(TrackerInputError, match="maximum_age"):
        DeepSort(maximum_age=3)
    with pytest.raises(TrackerInputError, match="track_low_thresh"):
        DeepSort(track_low_thresh=0.9)


def test_classic_is_the_paper() -> None:
    p = DeepSort.classic().params
    assert (p.association, p.gate, p.budget, p.n_init) == ("cascade", 9.4877, 100, 3)
    assert (p.position_noise, p.velocity_noise) == (1 / 20, 1 / 160)
    assert DeepSort.classic(max_age=2.0).params.max_age == 2.0


# What callers hand over by mistake


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"xyxy": np.array([[1, 2, 3, 4]], "U4")}, "xyxy"),
        ({"xyxy": np.array([[1, 2, 3, 4 + 1j]])}, "xyxy"),
        ({"xyxy": np.array([[1, 2, 3, 4]], "M8[s]")}, "xyxy"),
        ({"scores": ["0.9"]}, "scores"),
        ({"scores": [90.0]}, "scores must lie in 0..1, and number 0 is 90"),
        ({"scores": [-0.5]}, "scores must lie in 0..1"),
        ({"scores": [1e300]}, "scores must lie in 0..1"),
        ({"embeddings": [["a", "b"]]}, "embeddings"),
        ({"embeddings": [[1.0, 0.0], [1.0]]}, "embeddings"),
        ({"embeddings": np.array([[1j, 0]])}, "embeddings"),
        ({"warp": "left"}, "warp"),
        ({"frame_size": (0, 0)}, "frame_size"),
        ({"frame_size": (640,)}, "frame_size"),
        ({"frame_size": "ab"}, "frame_size"),
        ({"frame_size": (float("nan"), 3)}, "frame_size"),
        *(
            ({"time": odd}, "time")
            for odd in (None, "1", 1j, 10**400, 1.7e308, np.datetime64("2020-01-01"), [1.0, 2.0])
        ),
    ],
)
def test_what_is_no_number_or_out_of_range_is_named(given: dict[str, Any], names: str) -> None:
    tracker = DeepSort()
    tracker.update([box(10)], [0.9], [[1.0, 0]], 0.0)
    call = {"xyxy": [[1, 2, 3, 4]], "scores": [0.9], "embeddings": [[1.0, 0.0]], "time": 1.0} | given
    with pytest.raises(TrackerError, match=names):
        tracker.update(**call)
    for k in range(1, 4):  # the wrong call left no trace
        found = tracker.update([box(10)], [0.9], [[1.0, 0]], k / 30)
    assert found.ids.tolist() == [1]


def test_tensors_and_masked_arrays_are_read() -> None:
    torch = pytest.importorskip("torch")
    plain, other = DeepSort(), DeepSort()
    for k in range(4):
        a = plain.update([box(10), box(200)], [0.9, 0.8], [[1.0, 0], [0, 1]], k / 30)
        b = other.update(
            torch.tensor([box(10), box(200)], requires_grad=True),
            torch.tensor([0.9, 0.8], dtype=torch.float64),
            torch.tensor([[1.0, 0], [0, 1]]).bfloat16(),
            k / 30,
        )
        np.testing.assert_array_equal(a.xyxy, b.xyxy)
    hidden = np.ma.masked_array([box(10), box(200)], mask=[[False] * 4, [True] * 4])
    found = plain.update(hidden, [0.9, 0.8], None, 0.2)
    assert (found.indices.tolist(), plain.rejected) == ([0], 1)


def test_an_embedding_beyond_single_precision_counts_as_none() -> None:
    tracker = DeepSort()
    for k in range(3):
        found = tracker.update([box(10)], [0.9], np.array([[1e308, 0.0]]), k / 30)
    assert found.ids.tolist() == [1]


def test_the_settings_must_be_settings() -> None:
    for wrong in (3, {"max_age": 1.0}):
        with pytest.raises(TrackerInputError, match="DeepSortParams"):
            DeepSort(wrong)  # type: ignore[arg-type]
