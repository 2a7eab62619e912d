"""Settings of the tracker of one camera, and what callers hand over by mistake."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.following import box

from relaytrack.trackers import DeepSort, TrackerError, TrackerInputError


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


@pytest.mark.parametrize("warp", [np.eye(3), np.full((2, 3), np.nan), [[-1, 0, 0], [0, 1, 0]], np.zeros((2, 3))])
def test_a_warp_that_makes_no_sense_is_refused(warp: Any) -> None:
    tracker = DeepSort()
    tracker.update([box(10)], [0.9], None, 0.0)
    with pytest.raises(TrackerInputError, match="warp"):
        tracker.update([box(10)], [0.9], None, 1.0, warp=warp)
    assert len(tracker.update([box(10)], [0.9], None, 0.01, warp=np.eye(2, 3))) == 0


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
