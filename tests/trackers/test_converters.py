from __future__ import annotations

import builtins
from typing import Any

import numpy as np
import pytest

from relaytrack.trackers import (
    Backfill,
    DeepSort,
    MissingDependencyError,
    TrackerInputError,
    TrackResult,
    from_dataframe,
    from_supervision,
)

COLUMNS = ["id", "x1", "y1", "x2", "y2", "score", "index", "coasting"]


@pytest.fixture
def tracker() -> DeepSort:
    return DeepSort()


def tracks_of(tracker: DeepSort) -> TrackResult:
    """Two people who walk for five frames."""
    for number in range(5):
        xyxy = np.array([[10, 20, 50, 120], [200, 30, 240, 130]], np.float32) + number
        tracks = tracker.update(xyxy, np.array([0.9, 0.8], np.float32), None, number / 10)
    return tracks


def test_tracks_to_supervision_and_back(tracker: DeepSort) -> None:
    supervision = pytest.importorskip("supervision")
    tracks = tracks_of(tracker)
    assert len(tracks) == 2
    found = tracks.to_supervision()
    assert isinstance(found, supervision.Detections)
    assert found.tracker_id.tolist() == tracks.ids.tolist()
    assert found.data["index"].tolist() == tracks.indices.tolist()
    assert found[1:].data["coasting"].tolist() == [False]
    xyxy, scores = from_supervision(found)
    assert np.array_equal(xyxy, tracks.xyxy)
    assert np.array_equal(scores, tracks.scores)
    found.xyxy[:] = 0  # a copy: the tracks stay as they are
    assert tracks.xyxy.min() > 0


def test_no_tracks_convert_too(tracker: DeepSort) -> None:
    pytest.importorskip("supervision")
    pytest.importorskip("pandas")
    tracks = tracker.update(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), None, 0.0)
    assert len(tracks.to_supervision()) == 0
    assert tracks.to_supervision().tracker_id.tolist() == []
    assert list(tracks.to_dataframe().columns) == COLUMNS


def test_detections_without_confidence_are_refused() -> None:
    supervision = pytest.importorskip("supervision")
    with pytest.raises(TrackerInputError, match="no confidence"):
        from_supervision(supervision.Detections(xyxy=np.zeros((1, 4), np.float32)))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_tracks_and_backfill_to_data_frames(tracker: DeepSort, library: Any) -> None:
    pytest.importorskip(library)
    tracks = tracks_of(tracker)
    frame = tracks.to_dataframe(library)
    assert type(frame).__module__.startswith(library)
    assert list(frame.columns) == COLUMNS
    assert np.array_equal(frame["id"].to_numpy(), tracks.ids)
    assert np.array_equal(frame["x2"].to_numpy(), tracks.xyxy[:, 2])


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_data_frames_become_boxes_and_scores(tracker: DeepSort, library: Any) -> None:
    pytest.importorskip(library)
    tracks = tracks_of(tracker)
    nobody = tracker.update(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), None, 60.0)
    for given in (tracks, nobody):
        xyxy, scores = from_dataframe(given.to_dataframe(library))
        assert xyxy.shape == (len(given), 4)
        assert np.array_equal(xyxy, given.xyxy)
        assert np.array_equal(scores, given.scores)
    tracker.update(*from_dataframe(tracks.to_dataframe(library)), None, 61.0)


@pytest.mark.parametrize(
    ("wrong", "column"), [(None, "x1"), (np.zeros((2, 5)), "x1"), ({"x1", "y1", "x2", "y2"}, "score")]
)
def test_what_is_no_data_frame_of_boxes_is_named(wrong: Any, column: str) -> None:
    pandas = pytest.importorskip("pandas")
    if isinstance(wrong, set):
        wrong = pandas.DataFrame({name: [9.0] for name in wrong})
    with pytest.raises(TrackerInputError, match=f"a data frame with the column {column}"):
        from_dataframe(wrong)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_earlier_boxes_to_data_frames(library: Any) -> None:
    pytest.importorskip(library)
    whole = np.arange(12)
    earlier = Backfill(
        frames=whole[:3],
        times=whole[:3] / 10,
        ids=whole[3:6],
        xyxy=whole.reshape(3, 4).astype(np.float32),
        scores=np.full(3, 0.5, np.float32),
        indices=whole[6:9],
    )
    frame = earlier.to_dataframe(library)
    assert list(frame.columns) == ["frame", "time", "id", "x1", "y1", "x2", "y2", "score", "index"]
    assert frame["y1"].to_numpy().tolist() == [1.0, 5.0, 9.0]
    assert frame["index"].to_numpy().tolist() == [6, 7, 8]


def test_an_absent_library_is_named(tracker: DeepSort, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = builtins.__import__

    def absent(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] in ("pandas", "polars", "supervision"):
            raise ImportError(name)
        return whole(name, *rest)

    tracks = tracks_of(tracker)
    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(MissingDependencyError, match="pip install polars"):
        tracks.to_dataframe("polars")
    with pytest.raises(MissingDependencyError, match="pip install supervision"):
        tracks.to_supervision()
    with pytest.raises(TrackerInputError, match="'numpy'"):
        tracks.to_dataframe("numpy")  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [None, {"xyxy": 1}, np.zeros((2, 4))])
def test_what_is_no_supervision_detections_is_named(wrong: Any) -> None:
    with pytest.raises(TrackerInputError, match=r"supervision\.Detections, not"):
        from_supervision(wrong)
