"""What the tracker of one camera must survive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.following import box, follow

from relaytrack.trackers import DeepSort, TimeError, TrackerInputError

Crowd = Callable[..., list[Any]]


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


def test_times_that_cannot_be_seconds_are_told_once(
    make: Callable[[], DeepSort], caplog: pytest.LogCaptureFixture
) -> None:
    """Fault: with times in milliseconds nobody was followed, without a word."""
    tracker = make()
    for frame in range(30):
        assert len(tracker.update([box(10)], [0.9], None, frame * 40.0)) == 0
    (said,) = caplog.messages
    assert f"after {tracker.params.max_age:g} s (max_age); are the times in seconds?" in said


@pytest.mark.parametrize("step", [0.04, 5.0, 30.0])
def test_time_lapse_and_long_pauses_are_not_told(step: float, caplog: pytest.LogCaptureFixture) -> None:
    tracker = DeepSort(max_age=max(8.0, 3 * step))
    for frame in range(30):
        tracker.update([box(10)], [0.9], None, frame * step)
    paused = DeepSort()
    for burst in range(30):  # a camera that sends pictures only while something moves
        for frame in range(3):
            paused.update([box(10)], [0.9], None, 600.0 * burst + 0.1 * frame)
    empty = DeepSort()
    for frame in range(30):
        empty.update([], [], None, 40.0 * frame)
    assert caplog.messages == []


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
