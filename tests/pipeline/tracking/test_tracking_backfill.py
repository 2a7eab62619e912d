"""Boxes from before a track's confirmation reach the final outputs, in order and never twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from relaytrack.pipeline.config.loading import load_config
from relaytrack.pipeline.postprocess.finalize import finalize
from relaytrack.pipeline.records import Frame
from relaytrack.pipeline.tracking.backfill import EarlierBoxes
from relaytrack.trackers import Backfill


def backfill(calls: list[int], ids: list[int]) -> Backfill:
    count = len(ids)
    boxes = np.tile(np.array([10, 20, 30, 60], np.float32), (count, 1))
    return Backfill(
        np.array(calls, np.int64), np.zeros(count), np.array(ids, np.int64), boxes,
        np.full(count, 0.5, np.float32), np.zeros(count, np.int64),
    )  # fmt: skip


def seen_frames(*indices: int) -> EarlierBoxes:
    boxes = EarlierBoxes()
    for index in indices:
        boxes.saw(Frame("a", index, 0.0, np.zeros((2, 2, 3), np.uint8)))
    return boxes


def test_calls_become_the_sources_own_frame_numbers_and_full_picture_pixels() -> None:
    boxes = seen_frames(5, 10, 15)
    boxes.add(backfill([1, 2], [7, 7]), (100, 200))
    frames, ids, xyxy, _ = boxes.rows()
    assert frames.tolist() == [10, 15]
    assert ids.tolist() == [7, 7]
    assert xyxy[0].tolist() == [110, 220, 130, 260]


def test_calls_too_long_ago_are_left_out() -> None:
    boxes = seen_frames(*range(1, 1503))
    boxes.add(backfill([0, 1500], [1, 1]), (0, 0))
    assert boxes.rows()[0].tolist() == [1501]


def test_the_final_text_holds_them_in_order_and_no_identity_twice(tmp_path: Path) -> None:
    for kind, identity in (("tracks", 1), ("global", 4)):
        (tmp_path / kind).mkdir()
        line = f"2,{identity},1.00,2.00,3.00,4.00,0.900,-1,-1,-1\n"
        later = [
            f"3,{number},9.00,9.00,3.00,4.00,0.900,-1,-1,-1\n" for number in ((2, 3) if kind == "tracks" else (4, 5))
        ]
        (tmp_path / kind / "a.txt").write_text(line + "".join(later))
    config = load_config(data={"cameras": ["a.mp4"], "output": {"dir": str(tmp_path), "video": False}})
    boxes = seen_frames(1, 2)
    boxes.add(backfill([0, 1, 0, 1], [2, 2, 3, 3]), (0, 0))
    assert finalize(config, {("a", 1): 4, ("a", 2): 4, ("a", 3): 5}, {"a": boxes})
    assert [line.split(",")[:2] for line in (tmp_path / "tracks" / "a.txt").read_text().splitlines()] == [
        ["1", "2"], ["1", "3"], ["2", "1"], ["2", "2"], ["2", "3"], ["3", "2"], ["3", "3"],
    ]  # fmt: skip
    assert [line.split(",")[:2] for line in (tmp_path / "global" / "a.txt").read_text().splitlines()] == [
        ["1", "4"], ["1", "5"], ["2", "4"], ["2", "5"], ["3", "4"], ["3", "5"],
    ]  # fmt: skip
