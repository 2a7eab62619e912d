"""Boxes in the gaps of a finished run: where they come, what they hold, and that corrections keep them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.finished_run import PLACES, finished_run

from relaytrack.pipeline.postprocess.corrections import forget, merge, open_run, split
from relaytrack.pipeline.postprocess.filling import fill
from relaytrack.pipeline.results.hidden_rows import forgotten_path, read_hidden
from relaytrack.pipeline.results.identities import CameraRecord
from relaytrack.pipeline.results.track_rows import TrackRows, read_rows

WHOLE = CameraRecord(frames=40, first=3.0, last=6.9, last_index=40)


def _rows(*rows: tuple[int, int, float, float]) -> TrackRows:
    """Rows of (frame, id, left edge, score)."""
    table = np.array(rows, np.float64).reshape(-1, 4)
    boxes = np.c_[table[:, 2], np.zeros(len(table)), table[:, 2] + 10, np.full(len(table), 20.0)]
    return TrackRows.of(table[:, 0], table[:, 1], boxes, table[:, 3])


def test_a_gap_between_two_tracks_of_one_person_is_filled_in_a_straight_line() -> None:
    drawn = _rows((1, 4, 0, 0.9), (1, 6, 90, 0.8), (5, 7, 40, 0.5))
    tracks, people = fill(drawn, drawn.named([1, 2, 1]), drawn.frames, WHOLE, 2.0)
    assert people.frames.tolist() == tracks.frames.tolist() == [1, 1, 2, 3, 4, 5]
    assert people.ids.tolist() == [1, 2, 1, 1, 1, 1]
    assert tracks.ids.tolist() == [4, 6, 4, 4, 4, 7]
    np.testing.assert_allclose(people.xywh[2:5, 0], [10, 20, 30])
    np.testing.assert_allclose(people.scores[2:5], 0.5)


def test_longer_gaps_and_rows_of_nobody_stay() -> None:
    drawn = _rows((1, 4, 0, 0.9), (11, 4, 0, 0.9), (20, 5, 0, 0.9), (22, 6, 0, 0.9))
    for ids, seconds, added in (([1, 1, 0, 0], 0.9, 0), ([1, 1, 0, 0], 1.0, 9), ([1, 1, 1, 1], 0.0, 0)):
        people = fill(drawn, drawn.named(ids), drawn.frames, WHOLE, seconds)[1]
        assert len(people) == len(drawn) + added, (ids, seconds)


def test_frames_that_the_run_left_out_get_no_box() -> None:
    """Fault that was feared: with `max_fps` every second frame is not read, and boxes there would be of no picture."""
    half = CameraRecord(frames=20, first=0.0, last=3.8, last_index=39)
    drawn = _rows((1, 4, 0, 0.9), (3, 5, 50, 0.9), (9, 4, 80, 0.9))
    people = fill(drawn, drawn, drawn.frames, half, 2.0)[1]
    assert people.frames[people.ids == 4].tolist() == [1, 3, 9]


@pytest.mark.parametrize("record", [CameraRecord(), CameraRecord(1, 2.0, 2.0, 1), CameraRecord(9, 2.0, 2.0, 9)])
def test_without_a_clock_nothing_is_filled(record: CameraRecord) -> None:
    drawn = _rows((1, 4, 0, 0.9), (3, 4, 50, 0.9))
    assert len(fill(drawn, drawn, drawn.frames, record, 2.0)[1]) == 2


def test_nobody_is_put_into_a_long_pause_of_a_recording() -> None:
    """A recording that stood still for an hour between its frames 5 and 6: the frames are near, the times are not."""
    record = CameraRecord()
    for index in range(1, 11):
        record.seen(index, 0.1 * index + (3600.0 if index > 5 else 0.0))
    drawn = _rows((2, 4, 0, 0.9), (4, 4, 50, 0.9), (7, 4, 50, 0.9), (9, 4, 50, 0.9))
    assert fill(drawn, drawn, drawn.frames, record, 2.0)[1].frames.tolist() == [2, 3, 4, 7, 8, 9]


_PAIRS = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 3)), unique=True, max_size=40)


@settings(max_examples=50, deadline=None)
@given(_PAIRS, st.floats(0, 4))
def test_what_was_found_stays_and_a_person_stands_once_in_a_frame(pairs: list[tuple[int, int]], seconds: float) -> None:
    people = _rows(*((frame, person, frame**2 + 100.0 * person, 0.5) for frame, person in sorted(pairs)))
    drawn = people.named(10 * people.ids + people.frames // 15)
    tracks, found = fill(drawn, people, drawn.frames, WHOLE, seconds)
    keys = list(zip(found.frames.tolist(), found.ids.tolist(), strict=True))
    assert len(set(keys)) == len(keys)
    assert found.frames.tolist() == sorted(found.frames.tolist())
    assert set(zip(people.frames.tolist(), people.ids.tolist(), strict=True)) <= set(keys)
    assert (tracks.ids // 10 == found.ids).all()
    for person in np.unique(found.ids).tolist():
        mine = found.frames[found.ids == person]
        known = people.frames[people.ids == person]
        assert (mine.min(), mine.max()) == (known.min(), known.max())
        assert (np.diff(mine)[np.diff(mine) > 1] > 10 * seconds - 1e-3).all()
    again = fill(tracks, found, tracks.frames, WHOLE, seconds)[1]
    assert again.text() == found.text()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A finished run; person 1 is in camera a in the frames 1 to 12, and lost in 6 and 7."""
    return finished_run(tmp_path)


def _frames(folder: Path, kind: str, number: int) -> list[int]:
    rows = read_rows(folder, "tracks" if kind == "tracks" else "global", "a")
    return rows.frames[rows.ids == number].tolist()


def _cut(folder: Path, first: int, last: int) -> None:
    """Person 1 goes on as another track and identity after frame `first`, and is lost from there to `last`."""
    rows = read_rows(folder, "tracks", "a")
    mine = rows.ids == 1
    kept = ~(mine & (rows.frames > first) & (rows.frames < last))
    late = (mine & (rows.frames >= last))[kept]
    (folder / "tracks/a.txt").write_bytes(rows.pick(kept).named(np.where(late, 9, rows.ids[kept])).text())
    content = json.loads((folder / "identities.json").read_text())
    new = json.loads(json.dumps(content["identities"][0]))
    new["id"] = 4
    old = content["identities"][0]["tracks"][0]
    old["last"] = old["spans"][-1][1] = (first - 1) / 10
    new["tracks"] = [{**old, "track": 9, "crops": [], "first": (last - 1) / 10, "last": 1.1}]
    new["tracks"][0]["spans"] = [[(last - 1) / 10, 1.1]]
    content["identities"].append(new)
    (folder / "identities.json").write_text(json.dumps(content))


def test_a_finished_run_fills_gaps_in_global_and_leaves_tracks_as_they_are(folder: Path) -> None:
    assert _frames(folder, "tracks", 1) == [1, 2, 3, 4, 5, 8, 9, 10, 11, 12]
    assert _frames(folder, "global", 1) == list(range(1, 13))
    rows = read_rows(folder, "global", "a")
    lefts = rows.xywh[rows.ids == 1, 0]
    np.testing.assert_allclose(lefts, PLACES[1] + np.arange(12))


def test_merging_fills_what_lies_between_and_splitting_takes_it_away(folder: Path) -> None:
    _cut(folder, 4, 10)
    merge(open_run(folder), [1, 4], videos="delete")
    assert _frames(folder, "global", 1) == list(range(1, 13))
    new = split(open_run(folder), 1, [("a", 9)], videos="delete")
    assert _frames(folder, "global", 1) == [1, 2, 3, 4]
    assert _frames(folder, "global", new) == [10, 11, 12]


def test_a_run_whose_version_filled_nothing_stays_so(folder: Path) -> None:
    run = json.loads((folder / "run.json").read_text())
    del run["config"]["output"]["fill_gaps"]
    (folder / "run.json").write_text(json.dumps(run))
    merge(open_run(folder), [1, 3], videos="delete")
    assert _frames(folder, "global", 1) == [1, 2, 3, 4, 5, 8, 9, 10, 11, 12]


def test_forgetting_somebody_keeps_the_filled_boxes_of_others(folder: Path) -> None:
    """Fault: a line of global/ that is in no track was thrown away with the forgotten person."""
    before = [line for line in (folder / "global/a.txt").read_text().splitlines() if line.split(",")[1] == "1"]
    forget(open_run(folder), 2)
    assert (folder / "global/a.txt").read_text().splitlines() == before
    assert len(before) == 12


def test_a_forgotten_person_is_covered_between_two_tracks_too(folder: Path) -> None:
    """Fault that was feared: each track is covered for itself, and in the middle of a long gap nobody would be."""
    _cut(folder, 1, 12)
    for name in ("identities.json", "run.json"):  # the same run at a third of the speed
        text = json.loads((folder / name).read_text())
        if name == "identities.json":
            text["cameras"]["a"]["last"] *= 1.6
            (folder / name).write_text(json.dumps(text))
    merge(open_run(folder), [1, 4], videos="delete")
    filled = read_rows(folder, "global", "a")
    filled = filled.pick(filled.ids == 1)
    forget(open_run(folder), 1, videos="delete")
    hidden = read_hidden(forgotten_path(folder, "a"))
    assert hidden is not None
    for frame, box in zip(filled.frames.tolist(), filled.xyxy, strict=True):
        there = hidden.xyxy[hidden.frames == frame]
        assert np.abs(there - box).max(axis=1).min() < 1.0, frame
