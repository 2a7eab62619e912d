"""Tracks carried back onto free detections: who gets them, how far, and never twice."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from relaytrack.trackers.beginnings import LONGEST, FreeFrame, carry_back


def _box(x: float) -> list[float]:
    return [x, 100.0, x + 40.0, 200.0]


def _free(*per_frame: list[float], fps: float = 10.0) -> list[FreeFrame]:
    """Frames from 1 on with free boxes at these left edges."""
    return [
        FreeFrame(
            number, number / fps, np.array([_box(x) for x in lefts], float).reshape(-1, 4), np.full(len(lefts), 0.4)
        )
        for number, lefts in enumerate(per_frame, 1)
    ]


def _walk(first: int, last: int, start: float = 0.0, speed: float = 8.0) -> tuple[np.ndarray, np.ndarray]:
    """Frames first..last of somebody who was at `start` in frame 0."""
    frames = np.arange(first, last + 1)
    return frames, np.array([_box(start + speed * frame) for frame in frames.tolist()])


def test_somebody_who_walks_is_found_before_the_track_began() -> None:
    frames, boxes = _walk(6, 10)
    free = _free([8.0, 300.0], [16.0], [500.0], [32.0], [41.0], [48.0])
    found = carry_back(frames, np.full(5, 7), boxes, free)
    assert found.frames.tolist() == [5, 4, 2, 1]
    assert found.ids.tolist() == [7] * 4
    np.testing.assert_allclose(found.xyxy[:, 0], [41, 32, 16, 8])
    np.testing.assert_allclose(found.scores, 0.4)


def test_it_ends_where_nobody_is_found_for_half_a_second_or_after_two() -> None:
    frames, boxes = _walk(40, 45)
    everywhere = [[8.0 * number] for number in range(1, 41)]
    assert carry_back(frames, np.full(6, 1), boxes, _free(*everywhere)).frames.tolist() == list(range(39, 19, -1))
    for blind, count in ((4, 20 - 4), (5, 5)):
        gap = [[] if 35 - blind <= number < 35 else lefts for number, lefts in enumerate(everywhere, 1)]
        assert len(carry_back(frames, np.full(6, 1), boxes, _free(*gap)).frames) == count, blind


def test_elsewhere_or_without_a_known_way_nothing_is_taken() -> None:
    frames, boxes = _walk(6, 10)
    free = _free([8.0], [16.0], [24.0], [32.0], [40.0], [48.0])
    assert len(carry_back(frames[:2], np.full(2, 7), boxes[:2], free).frames) == 0  # two boxes are no way yet
    assert len(carry_back(frames, np.full(5, 7), boxes, free[:5]).frames) == 0  # its first frame is not known
    away = _free([28.0], [36.0], [44.0], [52.0], [60.0], [68.0])
    assert len(carry_back(frames, np.full(5, 7), boxes, away).frames) == 0  # half a width apart
    assert len(carry_back(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 4)), free).frames) == 0


def test_a_detection_goes_to_the_track_that_began_first() -> None:
    (early, one), (late, two) = _walk(4, 10, 0.0, 8.0), _walk(6, 12, 4.0, 8.0)
    frames, ids = np.concatenate([late, early]), np.repeat([1, 2], 7)
    free = _free([9.0], [17.0], [25.0], [], [45.0], [])
    found = carry_back(frames, ids, np.concatenate([two, one]), free)
    assert sorted(zip(found.ids.tolist(), found.frames.tolist(), strict=True)) == [(1, 5), (2, 1), (2, 2), (2, 3)]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5))
def test_free_detections_before_the_first_box_once_each(seed: int, tracks: int) -> None:
    rng = np.random.default_rng(seed)
    begins = rng.integers(10, 30, tracks)
    parts = [_walk(begin, begin + int(rng.integers(1, 8)), *rng.normal(0, 20, 2)) for begin in begins.tolist()]
    frames = np.concatenate([part[0] for part in parts])
    ids = np.repeat(np.arange(1, tracks + 1), [len(part[0]) for part in parts])
    order = rng.permutation(len(ids))
    free = _free(*(rng.normal(0, 200, rng.integers(0, 12)).tolist() for _ in range(30)))
    found = carry_back(frames[order], ids[order], np.concatenate([part[1] for part in parts])[order], free)
    first = np.array([0, *begins.tolist()])[found.ids]
    assert (found.frames < first).all()
    assert (found.frames >= first - LONGEST * 10 - 1e-6).all()
    taken = [(frame, *box) for frame, box in zip(found.frames.tolist(), found.xyxy.tolist(), strict=True)]
    assert len(set(taken)) == len(taken)
    offered = {(one.frame, *box) for one in free for box in one.xyxy.tolist()}
    assert set(taken) <= offered
    keys = list(zip(found.ids.tolist(), found.frames.tolist(), strict=True))
    assert len(set(keys)) == len(keys)
