"""Events: the schema, zones and lines, and what the sink makes of tracks and corrections."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from relaytrack.pipeline.config.schema import CameraConfig, Config, EventsConfig
from relaytrack.pipeline.errors import InputError
from relaytrack.pipeline.events import EVENT_TYPES, LineWatch, ZoneWatch, event_schema, parse_event
from relaytrack.pipeline.events.watch import EventWatch
from relaytrack.pipeline.events.zones import points_in_polygon
from relaytrack.pipeline.records import FrameInfo, FrameTracks, Step
from relaytrack.pipeline.results.events_file import append_revisions
from relaytrack.pipeline.sinks.events import EventsSink
from relaytrack.trackers import Revision

SQUARE = np.array([[10, 10], [20, 10], [20, 20], [10, 20]], float)


def _seen(
    time: float, *people: tuple[int, int, float, float], camera: str = "a", epoch: float | None = None
) -> FrameTracks:
    """A frame with (track, identity, feet x, feet y) each."""
    boxes = [[x - 5, y - 30, x + 5, y] for _, _, x, y in people]
    return FrameTracks(
        FrameInfo(camera, 1, time, (8, 8), epoch=epoch),
        np.array([track for track, *_ in people], np.int64),
        np.array([identity for _, identity, *_ in people], np.int64),
        np.array(boxes, np.float32).reshape(-1, 4),
        np.ones(len(people), np.float32),
    )


def _run(folder: Path, frames: list[FrameTracks], **options: Any) -> list[dict[str, Any]]:
    camera = options.pop("camera", CameraConfig(url="a.mp4", name="a"))
    chosen = options.pop("settings", EventsConfig())
    watch = EventWatch([camera, CameraConfig(url="b.mp4", name="b")], chosen)
    sink, revisions = EventsSink(folder), options.pop("revisions", {})
    for number, frame in enumerate(frames):
        found = watch.update(frame.frame.time, [frame], revisions.get(number, ()))
        sink.write(Step(frame.frame.time, events=tuple(found)))
    sink.write(Step(frames[-1].frame.time if frames else 0.0, events=tuple(watch.finish())))
    sink.close()
    sink.close()
    lines = (folder / "events.jsonl").read_text().splitlines()
    for line in lines:
        assert parse_event(line).model_dump_json() == line  # the documented schema, nothing else
    return [json.loads(line) for line in lines]


def _short(events: list[dict[str, Any]]) -> list[tuple[str, float, int]]:
    return [(event["event"], event["time"], event["identity"]) for event in events]


# the schema


def test_the_json_schema_names_every_event() -> None:
    schema = event_schema()
    assert sorted(schema["discriminator"]["mapping"]) == sorted(EVENT_TYPES)
    json.dumps(schema)


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        '{"event":"enter"}',
        '{"event":"party","time":1,"camera":"a","track":1,"identity":1}',
        '{"event":"enter","time":1,"camera":"a","track":1,"identity":1,"zone":"x"}',
        '{"event":"revised","time":1,"camera":"a","track":1,"identity":1,"old":2,"kind":"whim"}',
        '{"event":"enter","time":NaN,"camera":"a","track":1,"identity":1}',
    ],
)
def test_other_lines_are_refused(line: str) -> None:
    with pytest.raises(InputError, match=r"^not an event: "):
        parse_event(line)


# coming and going


def test_enter_leave_and_first_sight(tmp_path: Path) -> None:
    frames = [_seen(0.1 * k, (4, 7, 50, 50)) for k in range(10)]
    frames += [_seen(1.0 + 0.1 * k) for k in range(30)]
    frames += [_seen(4.0, (5, 7, 50, 50)), _seen(4.1, (1, 7, 50, 50), camera="b")]
    events = _run(tmp_path, frames, settings=EventsConfig(leave_after=1.0))
    assert _short(events) == [
        ("identity", 0.0, 7),
        ("enter", 0.0, 7),
        ("leave", 0.9, 7),
        ("enter", 4.0, 7),
        ("enter", 4.1, 7),
        ("leave", 4.0, 7),
        ("leave", 4.1, 7),
    ]
    assert (events[2]["entered"], events[2]["frames"], events[2]["track"]) == (0.0, 10, 4)
    assert events[4]["camera"] == "b"


def test_lines_are_there_at_once(tmp_path: Path) -> None:
    sink, watch = EventsSink(tmp_path), EventWatch([CameraConfig(url="a.mp4", name="a")], EventsConfig())
    sink.write(Step(0.0, events=tuple(watch.update(0.0, [_seen(0.0, (1, 1, 50, 50))]))))
    assert (tmp_path / "events.jsonl").read_text().count("\n") == 2
    sink.close()


def test_live_events_carry_dates(tmp_path: Path) -> None:
    events = _run(tmp_path, [_seen(1.5, (1, 1, 50, 50), epoch=1_795_176_001.5)])
    assert events[0]["date"] == "2026-11-20T12:00:01.500+00:00"


def test_corrections_come_at_their_time_and_once(tmp_path: Path) -> None:
    frames = [_seen(0.1 * k, (9, 2 if k < 3 else 1, 50, 50)) for k in range(6)]
    frames.insert(0, _seen(0.0, (3, 1, 80, 50)))
    ahead = {2: [Revision("merge", 2, 1, "a", 9, 0.3), Revision("split", 1, 5, "a", 3, 0.4)]}  # before their time
    events = _run(tmp_path, frames, revisions=ahead)
    revised = [event for event in events if event["event"] == "revised"]
    assert [(event["time"], event["track"], event["old"], event["identity"], event["kind"]) for event in revised] == [
        (0.3, 9, 2, 1, "merge"),
        (0.4, 3, 1, 5, "split"),
    ]
    assert [event["identity"] for event in events if event["event"] == "leave"] == [5, 1]


def test_a_changed_number_without_a_notice_is_told_too(tmp_path: Path) -> None:
    events = _run(tmp_path, [_seen(0.0, (1, 8, 50, 50)), _seen(0.1, (1, 3, 50, 50))])
    [revised] = [event for event in events if event["event"] == "revised"]
    assert (revised["old"], revised["identity"], revised["kind"]) == (8, 3, "merge")


def test_final_corrections_are_added(tmp_path: Path) -> None:
    _run(tmp_path, [_seen(0.0, (1, 8, 50, 50))])
    append_revisions(tmp_path, [("a", 1, 8, 2)], 5.0, "final")
    last = parse_event((tmp_path / "events.jsonl").read_text().splitlines()[-1])
    assert last.model_dump() == {
        "time": 5.0,
        "date": None,
        "camera": "a",
        "track": 1,
        "identity": 2,
        "event": "revised",
        "old": 8,
        "kind": "final",
        "score": None,
    }


def test_the_file_is_turned_over_and_memory_is_bounded(tmp_path: Path) -> None:
    sink = EventsSink(tmp_path, rotate=5000)
    watch = EventWatch([CameraConfig(url="a.mp4", name="a")], EventsConfig(), remember=20.0)
    for k in range(300):
        sink.write(Step(float(k), events=tuple(watch.update(float(k), [_seen(float(k), (k, k, 50, 50))]))))
    sink.close()
    assert {path.name for path in tmp_path.iterdir()} == {"events.jsonl", "events-old.jsonl"}
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 2 * 5600
    assert len(watch._ids) <= 2 * 20
    assert len(watch._known) == 300, "nobody is new twice"
    for path in tmp_path.iterdir():
        assert all(parse_event(line) for line in path.read_text().splitlines())


# zones


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=1, max_size=8))
def test_a_point_is_in_a_triangle_if_it_is_on_one_side_of_all_edges(points: list[tuple[float, float]]) -> None:
    corners = np.array([[-30, -20], [40, -10], [0, 35]], float)
    array = np.array(points)
    sides = []
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        along = end - start
        sides.append(along[0] * (array[:, 1] - start[1]) - along[1] * (array[:, 0] - start[0]))
    clear = np.abs(sides).min(axis=0) > 1e-6
    expected = (np.array(sides) > 0).all(axis=0)
    np.testing.assert_array_equal(points_in_polygon(array, corners)[clear], expected[clear])


def test_a_zone_with_a_bay() -> None:
    shape = np.array([[0, 0], [30, 0], [30, 30], [20, 30], [20, 10], [10, 10], [10, 30], [0, 30]], float)
    found = points_in_polygon(np.array([[5, 20], [15, 20], [25, 20], [15, 5], [40, 5]], float), shape)
    assert found.tolist() == [True, False, True, True, False]


def _zone(watch: ZoneWatch, path: list[tuple[float, float] | None], start: float = 0.0) -> list[tuple[str, float]]:
    found = []
    for number, feet in enumerate(path):
        ids = np.array([] if feet is None else [1], np.int64)
        points = np.zeros((0, 2)) if feet is None else np.array([feet], float)
        found += [(change, round(time, 3)) for change, _, time, _ in watch.update(start + number / 10, ids, points)]
    return found


def test_zone_enter_dwell_and_leave() -> None:
    watch = ZoneWatch(SQUARE, settle=0.3, dwell=1.0)
    path: list[tuple[float, float] | None] = [(0, 15)] * 5 + [(15, 15)] * 20 + [(30, 15)] * 10
    assert _zone(watch, path) == [("enter", 0.5), ("dwell", 1.5), ("leave", 2.4)]
    assert (watch.total, watch.inside) == (1, 0)


def test_flicker_at_the_edge_is_no_event() -> None:
    watch = ZoneWatch(SQUARE, settle=0.3, dwell=9.0)
    assert _zone(watch, [(9.9, 15), (10.1, 15)] * 40) == []
    assert _zone(watch, [(15, 15)] * 10, start=8.0) == [("enter", 7.9)]
    assert _zone(watch, [(9.9, 15), (10.1, 15)] * 40, start=9.0) == []


def test_a_short_loss_inside_is_no_leave_and_a_long_one_is() -> None:
    watch = ZoneWatch(SQUARE, settle=0.2, dwell=9.0)
    lost: list[tuple[float, float] | None] = [None] * 8
    assert _zone(watch, [(15, 15)] * 5 + lost + [(15, 15)] * 5) == [("enter", 0.0)]
    assert _zone(watch, [(15, 15)] * 5 + lost + lost, start=1.8) == [("leave", 2.2)]


def _line(watch: LineWatch, path: list[tuple[float, float]]) -> list[str]:
    found = []
    for number, feet in enumerate(path):
        found += [way for way, _ in watch.update(number / 10, np.array([1]), np.array([feet], float))]
    return found


def test_lines_are_crossed_forward_and_backward() -> None:
    watch = LineWatch(np.array([[0, 0], [0, 100]], float), margin=3)  # downwards: its right side is x < 0
    assert _line(watch, [(20, 50), (10, 50), (1, 50), (-2, 50), (-10, 50), (-20, 50)]) == ["forward"]
    assert _line(watch, [(-20, 50), (20, 60)]) == ["backward"]
    assert (watch.forward, watch.backward) == (1, 1)


def test_swaying_on_a_line_or_walking_round_it_is_no_crossing() -> None:
    watch = LineWatch(np.array([[0, 0], [0, 100]], float), margin=3)
    assert _line(watch, [(10, 50), *[(1, 50), (-2, 50)] * 20, (10, 50)]) == []
    assert _line(watch, [(10, 150), (-10, 150), (-10, 50)]) == []


def test_a_slow_walker_crosses_once_where_the_path_meets_the_line() -> None:
    watch = LineWatch(np.array([[0, 0], [0, 100]], float), margin=3)
    assert _line(watch, [(30 - 0.5 * k, 50) for k in range(120)]) == ["forward"]


def test_zones_and_lines_make_events_by_identity(tmp_path: Path) -> None:
    camera = CameraConfig(
        url="a.mp4",
        name="a",
        zones={"door": ((100, 100), (200, 100), (200, 200), (100, 200))},
        lines={"gate": ((150, 100), (150, 200))},
    )
    # the track breaks in the middle (4 -> 5) and the number is corrected (7 -> 2): still one stay, one crossing
    frames = []
    for k in range(40):
        track, identity = (4, 7) if k < 15 else (5, 7 if k < 30 else 2)
        frames.append(_seen(0.1 * k, (track, identity, 80 + 4 * k, 150)))
    events = _run(tmp_path, frames, camera=camera, settings=EventsConfig(settle=0.2, dwell=2.0))
    zone = [event for event in events if event["event"] in ("zone_enter", "zone_leave", "dwell", "line_cross")]
    assert [(event["event"], event["identity"], event["track"]) for event in zone] == [
        ("zone_enter", 7, 4),
        ("line_cross", 7, 5),
        ("dwell", 7, 5),
        ("zone_leave", 2, 5),
    ]
    assert (zone[0]["inside"], zone[0]["total"], zone[3]["inside"], zone[3]["total"]) == (1, 1, 0, 1)
    assert zone[1]["direction"] == "backward"
    assert zone[3]["seconds"] == pytest.approx(2.5, abs=0.3)


def test_zones_and_lines_are_checked_with_the_configuration() -> None:
    for wrong in ({"zones": {"z": [[0, 0], [1, 1]]}}, {"lines": {"l": [[5, 5], [5, 5]]}}, {"zones": {"z": "box"}}):
        with pytest.raises(ValidationError):
            Config.model_validate({"cameras": [{"url": "a.mp4", **wrong}]})
