"""Which detections are kept for carrying tracks back, and what becomes of them in the final boxes."""

from __future__ import annotations

import numpy as np
import pytest

from relaytrack.pipeline.records import Detections, FrameInfo, Ints
from relaytrack.pipeline.replay.detection_cache import SeenFrame
from relaytrack.pipeline.replay.track import track
from relaytrack.pipeline.results.track_rows import TrackRows
from relaytrack.pipeline.tracking.backfill import EarlierBoxes, beginnings
from relaytrack.pipeline.tracking.free_detections import LEAST_SCORE, FreeDetections
from relaytrack.trackers import Backfill, DeepSort
from relaytrack.trackers.beginnings import LONGEST

FPS = 10


def _ints(*values: int) -> Ints:
    return np.array(values, np.int64)


def _born(calls: list[int], track_id: int, index: int = 0) -> Backfill:
    """A track that took detection `index` in these calls and was confirmed now."""
    count = len(calls)
    ids, indices = np.full(count, track_id, np.int64), np.full(count, index, np.int64)
    return Backfill(
        _ints(*calls), np.zeros(count), ids, np.zeros((count, 4), np.float32), np.ones(count, np.float32), indices
    )


def _seen(free: FreeDetections, count: int, scores: tuple[float, ...] = (0.9, 0.4)) -> None:
    boxes = np.arange(4 * len(scores), dtype=np.float32).reshape(-1, 4)
    for call in range(count):
        free.saw(call + 1, call / FPS, boxes, np.array(scores, np.float32), _ints(), 1.0)


def test_only_the_seconds_before_a_tracks_first_box_are_kept() -> None:
    free = FreeDetections(1000)
    _seen(free, 100)
    assert free.frames() == []
    free.born(_born([60, 61], 1))
    kept = free.frames()
    assert [one.frame for one in kept] == list(range(61 - int(LONGEST * FPS), 62))
    assert [len(one.scores) for one in kept] == [2] * (len(kept) - 1) + [1]  # in call 60 the track took one itself


def test_what_was_given_up_is_not_asked_for() -> None:
    free = FreeDetections(10)
    _seen(free, 100)
    free.born(_born([20, 95], 1))
    free.born(_born([92, 96], 2))
    assert [one.frame for one in free.frames()] == [91, 92, 93]


def test_unsure_taken_and_broken_detections_are_not_free() -> None:
    free = FreeDetections(100)
    boxes = np.array([[0, 0, 9, 9], [1, 0, 9, 9], [2, 0, np.nan, 9], [3, 0, 9, 9]], np.float32)
    limit = 1.1 * LEAST_SCORE
    scores = np.array([limit - 0.01, limit + 0.01, 0.9, 0.9], np.float32)
    free.saw(1, 0.0, boxes, scores, _ints(3), 1.1)
    free.born(_born([0], 1, index=7))
    [one] = free.frames()
    assert one.xyxy[:, 0].tolist() == [1.0]
    np.testing.assert_allclose(one.scores, limit + 0.01, rtol=1e-6)


def test_what_a_later_track_took_before_its_confirmation_is_not_free_either() -> None:
    free = FreeDetections(100)
    _seen(free, 30)
    free.born(_born([25, 26], 1, index=0))
    free.born(_born([22, 27], 2, index=1))
    assert [len(one.scores) for one in free.frames() if one.frame in (23, 26)] == [1, 1]


def _walker(frame: int) -> list[float]:
    return [100.0 + 6 * frame, 100.0, 140.0 + 6 * frame, 200.0]


def _frames(unsure: int, count: int, origin: tuple[int, int] = (0, 0)) -> list[SeenFrame]:
    """Somebody whom the detector is not sure of in the first `unsure` frames."""
    shift = np.array([*origin, *origin], np.float32)
    return [
        SeenFrame(
            index, index / FPS, np.array([_walker(index)], np.float32) - shift,
            np.array([0.3 if index <= unsure else 0.9], np.float32), None, (640, 480), None, origin,
        )
        for index in range(1, count + 1)
    ]  # fmt: skip


@pytest.mark.parametrize("origin", [(0, 0), (50, 80)])
def test_a_replay_begins_a_track_where_its_person_was_first_found(origin: tuple[int, int]) -> None:
    def first(*, mend: bool) -> int:
        tracker = DeepSort(adapt_scores=False)
        rows = track(_frames(12, 40, origin), tracker, backfill=True, mend=mend).rows
        assert len(np.unique(rows.ids)) == 1
        for frame, box in zip(rows.frames.tolist(), rows.xywh, strict=True):
            np.testing.assert_allclose(box[:2], _walker(frame)[:2], atol=3.0)
        return int(rows.frames[0])

    assert (first(mend=False), first(mend=True)) == (13, 1)


def test_the_final_pass_of_a_run_finds_them_in_pixels_of_the_full_picture() -> None:
    earlier, origin = EarlierBoxes(), (50, 80)
    for seen in _frames(12, 16, origin):
        info = FrameInfo("a", seen.index, seen.time, (640, 480), origin)
        taken = _ints(0) if seen.index > 14 else _ints()
        earlier.saw(info, Detections(seen.xyxy, seen.scores), taken)
    early = np.array([_walker(13), _walker(14)], np.float32) - np.array([*origin, *origin], np.float32)
    found = Backfill(_ints(12, 13), np.zeros(2), _ints(3, 3), early, np.full(2, 0.9, np.float32), _ints(0, 0))
    earlier.add(found, origin, first_id=100)
    own = TrackRows.of([15, 16], [103, 103], [_walker(15), _walker(16)], [0.9, 0.9])
    rows = beginnings(own, earlier)
    assert rows.ids.tolist() == [103] * 14
    assert sorted(rows.frames.tolist()) == list(range(1, 15))
    for frame, box in zip(rows.frames.tolist(), rows.xyxy, strict=True):
        np.testing.assert_allclose(box, _walker(frame), atol=1e-3)
