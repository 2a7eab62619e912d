"""The tracks of all cameras as whole arrays: overlaps and qualities are those of each frame by itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relaytrack.trackers import CameraTracks, boxes
from relaytrack.trackers.identities import sightings
from relaytrack.trackers.identities.picture_zones import BORDER, INSIDE
from relaytrack.trackers.identities.sightings import Sightings
from relaytrack.trackers.identities.tracklets import TrackletTable


def view(camera: str, count: int, draw: np.random.Generator, *, judged: bool = True) -> CameraTracks:
    """A frame of people who stand in each other's way."""
    corner = draw.uniform(0, 150, (count, 2))
    xyxy = np.concatenate([corner, corner + draw.uniform(10, 120, (count, 2))], 1).astype(np.float32)
    quality = None if judged else draw.uniform(0, 1, count).astype(np.float32)
    scores = draw.uniform(0.2, 1, count).astype(np.float32)
    nothing = np.zeros((count, 0), np.float32)
    return CameraTracks(camera, 0.0, np.arange(1, count + 1), xyxy, scores, nothing, quality, (200, 200))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.integers(0, 4), min_size=1, max_size=6))
def test_many_frames_at_once_are_each_frame_by_itself(seed: int, counts: list[int]) -> None:
    draw = np.random.default_rng(seed)
    views = [view(f"c{number}", count, draw) for number, count in enumerate(counts)]
    together = Sightings(views)
    for frame in together.frames:
        for rows, overlap in zip(frame.rows, frame.overlap, strict=True):
            np.testing.assert_array_equal(overlap, boxes.iou(together.boxes[rows], together.boxes[rows]))
    alone = [Sightings([one]).quality() for one in views]
    np.testing.assert_array_equal(together.quality(), np.concatenate(alone))


def test_a_quality_that_is_given_is_taken_and_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(0)
    views = [view("a", 3, draw, judged=False), view("b", 3, draw), view("c", 2, draw, judged=False)]
    judged: list[int] = []
    judge = sightings.crop_quality

    def counted(boxes: np.ndarray, *more: np.ndarray) -> np.ndarray:
        judged.append(boxes.size // 4)
        return judge(boxes, *more)

    monkeypatch.setattr(sightings, "crop_quality", counted)
    quality = Sightings(views).quality()
    np.testing.assert_array_equal(quality[:3], views[0].quality)
    np.testing.assert_array_equal(quality[6:], views[2].quality)
    assert sum(judged) == 3
    np.testing.assert_array_equal(quality[3:6], Sightings(views[1:2]).quality())


def test_a_box_without_area_overlaps_nothing() -> None:
    flat = np.array([[5, 5, 5, 5]], np.float32)
    whole = np.array([[0, 0, 10, 10]], np.float32)
    assert boxes.iou(flat, np.concatenate([flat, whole])).tolist() == [[0.0, 0.0]]


def test_the_border_is_that_of_the_part_looked_at() -> None:
    table = TrackletTable(bank=2, min_quality=0.2)
    xyxy = np.array([[605, 300, 645, 400], [800, 300, 840, 400]], np.float32)
    embeddings = np.full((2, 0), np.nan, np.float32)
    seen = CameraTracks(
        "a", 0.0, np.array([1, 2]), xyxy, np.ones(2, np.float32), embeddings, None, (1200, 700), (600, 100)
    )
    (slots,), _ = table.observe([seen])
    assert table.zones(slots)[0].tolist() == [BORDER, INSIDE]
