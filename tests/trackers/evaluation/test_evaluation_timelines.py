"""Time-lines of identities: what is drawn where."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from relaytrack.trackers.errors import TrackerError
from relaytrack.trackers.evaluation import GroundTruth, MotRows, evaluate_global, evaluate_in_detail, rows_from_arrays
from relaytrack.trackers.evaluation.timelines import (
    FRAGMENT,
    MISSED,
    RIGHT,
    STOLEN,
    draw_timelines,
    person_rows,
    save_timelines,
)


def still(spans: list[tuple[int, int, int]]) -> MotRows:
    """Boxes at a place per first number, from the second to the third frame, ids as given by the place."""
    frames = np.concatenate([np.arange(first, last + 1) for _, first, last in spans])
    place = np.concatenate([np.full(last - first + 1, where) for where, first, last in spans])
    return rows_from_arrays(frames, place, np.c_[100 * place, 0 * place, 100 * place + 40, 0 * place + 90])


def renamed(rows: MotRows, names: dict[tuple[int, int], int]) -> MotRows:
    """Give the boxes of a place another id from a frame on."""
    ids = rows.ids.copy()
    for (place, frame), name in names.items():
        ids[(rows.ids == place) & (rows.frames >= frame)] = name
    return MotRows(rows.frames, ids, rows.xywh, rows.scores, rows.classes, rows.visibility)


@pytest.fixture
def truth() -> GroundTruth:
    return GroundTruth("s", still([(2, 1, 20), (1, 3, 8), (1, 12, 20)]), 20, "MOT15")


@pytest.fixture
def result() -> MotRows:
    """Person 2 is 7, then 8; person 1 is missed at first, is 9, and at last takes over 7."""
    seen = still([(2, 1, 20), (1, 5, 8), (1, 12, 20)])
    return renamed(seen, {(2, 1): 7, (2, 15): 8, (1, 1): 9, (1, 18): 7})


def test_lanes(truth: GroundTruth, result: MotRows) -> None:
    two, one = person_rows(evaluate_in_detail(truth, result))
    assert (two.gt_id, one.gt_id) == (2, 1)
    assert two.bars.tolist() == [[1, 14, 7], [15, 20, 8]]
    assert two.switches.tolist() == [15]
    assert one.present.tolist() == [[3, 8], [12, 20]]
    assert one.bars.tolist() == [[5, 8, 9], [12, 17, 9], [18, 20, 7]]
    assert one.switches.tolist() == [18]


def test_colours_tell_own_from_other_tracks(truth: GroundTruth, result: MotRows) -> None:
    from matplotlib.colors import to_hex

    figure = draw_timelines(evaluate_in_detail(truth, result), title="walk", frame_rate=10)
    axes = figure.axes[0]
    bars = [[to_hex(colour) for colour in drawn.get_facecolor()] for drawn in axes.collections]
    wanted = [[MISSED], [RIGHT, FRAGMENT], [MISSED], [RIGHT, RIGHT, STOLEN]]
    assert bars == [[colour.lower() for colour in row] for row in wanted]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["2", "1"]
    title = figure.get_suptitle()
    assert title.startswith("walk: HOTA")
    assert "2 switches" in title


def test_cameras_of_a_person_stay_together(truth: GroundTruth, result: MotRows) -> None:
    whole, _ = evaluate_global({"a": (truth, result), "b": (truth, still([(2, 9, 10)]))})
    rows = person_rows(whole)
    assert [(row.gt_id, row.camera) for row in rows] == [(2, 0), (2, 1), (1, 0), (1, 1)]
    assert [row.switches.tolist() for row in rows] == [[15], [], [18], []]
    figure = draw_timelines(whole, title="both", cameras=["a", "b"])
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["2 a", "2 b", "1 a", "1 b"]


def test_nothing_to_draw(tmp_path: Path) -> None:
    none = still([(1, 1, 1)]).select(np.zeros(0, np.int64))
    evaluation = evaluate_in_detail(GroundTruth("s", none, None, "MOT15"), none)
    save_timelines(tmp_path / "empty.png", evaluation, title="empty")
    assert (tmp_path / "empty.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(TrackerError, match="cannot be written"):
        save_timelines(tmp_path / "no" / "empty.png", evaluation, title="empty")


def test_without_matplotlib(truth: GroundTruth, result: MotRows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(TrackerError, match="plots need matplotlib: pip install"):
        draw_timelines(evaluate_in_detail(truth, result), title="walk")
