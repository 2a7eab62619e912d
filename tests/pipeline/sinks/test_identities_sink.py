"""identities.json and the crops: grouping, best pictures, bounded memory."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support.steps import Shot, step_of

from relaytrack.pipeline.events.former import Former
from relaytrack.pipeline.palette import IdentityColors
from relaytrack.pipeline.records import Detections, Frame, Image
from relaytrack.pipeline.results.identities import CameraRecord, TrackRecord, read_identities
from relaytrack.pipeline.results.identities_writing import write_identities, write_people
from relaytrack.pipeline.sinks.crops import CropStrip, crop_quality, cut
from relaytrack.pipeline.sinks.identities import IdentitiesSink


def _seen(camera: str, seconds: float, people: list[tuple[int, int, list[float]]], image: Image | None = None) -> Shot:
    """A frame with (track, identity, box) each."""
    picture = np.full((300, 200, 3), 90, np.uint8) if image is None else image
    return Shot.of(
        Frame(camera, 1 + round(seconds * 10), seconds, picture),
        np.array([track for track, _, _ in people], np.int64),
        np.array([identity for _, identity, _ in people], np.int64),
        np.array([box for _, _, box in people], np.float32).reshape(-1, 4),
        np.full(len(people), 0.9, np.float32),
    )


def _run(folder: Path, steps: list[tuple[Shot, ...]], **options: Any) -> dict[str, Any]:
    sink = IdentitiesSink(folder, ["a", "b"], **options)
    for step in steps:
        sink.write(step_of(*step))
    sink.close()
    content: dict[str, Any] = json.loads((folder / "identities.json").read_text())
    return content


BOX = [50.0, 50.0, 90.0, 150.0]


def test_tracks_are_grouped_by_their_last_identity(tmp_path: Path) -> None:
    steps = [
        (_seen("a", 0.0, [(1, 7, BOX)]),),
        (_seen("a", 0.1, [(1, 5, BOX)]), _seen("b", 0.1, [(1, 5, BOX), (2, 9, [100, 50, 140, 150])])),
        (_seen("a", 5.0, [(1, 5, BOX)]), _seen("b", 5.0, [])),
    ]
    content = _run(tmp_path, steps)
    assert [entry["id"] for entry in content["identities"]] == [5, 9]
    person = content["identities"][0]
    assert person["cameras"] == ["a", "b"]
    assert (person["first"], person["last"], person["frames"]) == (0.0, 5.0, 4)
    assert person["tracks"][0]["spans"] == [[0.0, 0.1], [5.0, 5.0]]
    assert person["crop"] == "crops/5.jpg"
    assert content["cameras"]["b"] == {"frames": 2, "first": 0.1, "last": 5.0, "last_index": 51}
    assert sorted(path.name for path in (tmp_path / "crops").glob("*.jpg")) == ["5.jpg", "9.jpg"]


def test_the_picture_is_the_largest_whole_and_unhidden_one(tmp_path: Path) -> None:
    def paint(shade: int) -> Image:
        return np.full((300, 200, 3), shade, np.uint8)

    steps = [
        (_seen("a", 0.0, [(1, 1, [50, 50, 70, 100])], paint(10)),),  # small
        (_seen("a", 0.1, [(1, 1, [50, 50, 110, 200])], paint(200)),),  # the one
        (_seen("a", 0.2, [(1, 1, [50, 120, 120, 300])], paint(60)),),  # cut by the edge
        (_seen("a", 0.3, [(1, 1, [50, 50, 115, 205]), (2, 2, [50, 80, 120, 260])], paint(120)),),  # hidden
    ]
    _run(tmp_path, steps)
    picture = cv2.imread(str(tmp_path / "crops/1.jpg"))
    assert picture is not None
    assert picture.shape == (150, 60, 3)
    assert abs(int(picture.mean()) - 200) < 4


def test_quality_counts_hidden_parts_and_edges() -> None:
    seen = _seen("a", 0.0, [(1, 1, BOX), (2, 2, [70.0, 60.0, 110.0, 170.0]), (3, 3, [150.0, 50.0, 200.0, 150.0])])
    hidden, nearer, edge = crop_quality(seen.tracks)
    assert nearer > hidden
    assert edge == pytest.approx(0.9 * 100 * 0.4)
    assert crop_quality(_seen("a", 0.0, []).tracks).shape == (0,)


def test_quality_counts_people_who_are_only_detected() -> None:
    seen = _seen("a", 0.0, [(1, 1, BOX)])
    alone = seen.having(detections=Detections(np.array([[51, 49, 91, 151]], np.float32), np.ones(1, np.float32)))
    other = np.array([[51, 49, 91, 151], [60, 70, 100, 180]], np.float32)
    together = seen.having(detections=Detections(other, np.ones(2, np.float32)))
    assert crop_quality(alone.tracks)[0] == crop_quality(seen.tracks)[0] == pytest.approx(90.0)
    assert crop_quality(together.tracks)[0] < 50.0


def _best(tmp_path: Path, steps: list[tuple[Shot, ...]]) -> float:
    """The time of person 1's best picture."""
    [track, *_] = [t for i in _run(tmp_path, steps)["identities"] if i["id"] == 1 for t in i["tracks"]]
    return float(max(track["crops"], key=lambda crop: float(crop["quality"]))["time"])


def _walk(count: int, box: list[float], **changes: Any) -> list[Shot]:
    return [_seen("a", round(0.1 * k, 1), [(1, 1, box)], **changes) for k in range(count)]


def test_a_box_that_suddenly_holds_two_people_is_no_good_picture(tmp_path: Path) -> None:
    steps = _walk(30, [50, 100, 90, 200])
    for k in (20, 21):
        steps[k] = _seen("a", 0.1 * k, [(1, 1, [50, 60, 90, 200])])  # 40 % taller
    assert _best(tmp_path, [(step,) for step in steps]) < 1.95


def test_who_was_lost_behind_or_before_a_person_counts_as_hiding_them(tmp_path: Path) -> None:
    other = (2, 2, [60, 95, 95, 190])  # farther away, and then both are taken for one
    steps = [_seen("a", 0.1 * k, [(1, 1, [50, 100, 90, 199]), other]) for k in range(6)]
    steps += [_seen("a", 0.1 * k, [(1, 1, [50, 99, 90, 200])]) for k in range(6, 20)]
    steps += [_seen("a", 0.1 * k, [(1, 1, [50, 100, 90, 199])]) for k in range(30, 34)]
    assert _best(tmp_path, [(step,) for step in steps]) >= 3.0


def test_a_picture_that_looks_like_somebody_else_is_not_the_best_one(tmp_path: Path) -> None:
    steps = []
    for k, step in enumerate(_walk(20, [50, 100, 90, 200])):
        vector = np.array([[0.6, 0.8]] if 8 <= k < 12 else [[1.0, 0.0]], np.float32)
        scores = np.full(1, 1.0 if 8 <= k < 12 else 0.8, np.float32)
        steps.append((step.having(embeddings=vector, scores=scores),))
    assert not 0.75 < _best(tmp_path, steps) < 1.15


def test_of_two_tracked_people_in_nearly_one_box_none_has_a_good_picture() -> None:
    boxes = [[50.0, 50.0, 90.0, 150.0], [53.0, 53.0, 93.0, 153.0]]
    found = Detections(np.array(boxes, np.float32), np.ones(2, np.float32))
    seen = _seen("a", 0.0, [(1, 1, boxes[0]), (2, 2, boxes[1])]).having(detections=found)
    hidden, nearer = crop_quality(seen.tracks)
    assert hidden < 0.2 * 90
    assert nearer < 0.85 * 90


def test_cut_stays_inside_and_shrinks() -> None:
    image = np.zeros((600, 400, 3), np.uint8)
    part = cut(image, np.array([-20, -20, 100, 580], np.float32))
    assert part is not None
    assert part.shape == (256, 44, 3)
    assert cut(image, np.array([500, 0, 520, 50], np.float32)) is None


def test_a_strip_encodes_only_clear_steps() -> None:
    strip = CropStrip()
    image = np.zeros((50, 50, 3), np.uint8)
    box = np.array([0, 0, 20, 40], np.float32)
    strip.offer(image, box, 10.0, 0.0)
    [first] = strip.crops
    strip.offer(image + 255, box, 10.5, 0.1)
    assert strip.crops == [first]
    strip.offer(image + 255, box, 12.0, 0.2)
    assert [crop.time for crop in strip.crops] == [0.2]


def test_a_strip_spreads_over_time_in_bounded_memory() -> None:
    strip = CropStrip(most=4, piece=1.0)
    box = np.array([0, 0, 20, 40], np.float32)
    for step in range(1000):
        best = step in (130, 700)
        strip.offer(np.zeros((50, 50, 3), np.uint8), box, 20.0 if best else 11.0, step * 0.1)
    times = [crop.time for crop in strip.crops]
    assert 3 <= len(times) <= 4
    assert {13.0, 70.0} <= set(times)
    assert times == sorted(times)


def test_a_strip_leaves_bad_pictures_out() -> None:
    strip = CropStrip(most=4, piece=1.0)
    box = np.array([0, 0, 20, 40], np.float32)
    for time, quality in ((0.0, 10.0), (1.0, 100.0), (2.0, 60.0)):
        strip.offer(np.zeros((50, 50, 3), np.uint8), box, quality, time)
    assert [crop.time for crop in strip.crops] == [1.0, 2.0]


def test_pictures_of_a_track_that_comes_back_are_added_up_to_a_limit(tmp_path: Path) -> None:
    steps = [(_seen("a", 50.0 * k, [(1, 1, BOX)]), _seen("b", 50.0 * k + 40, [])) for k in range(12)]
    content = _run(tmp_path, steps, idle=5.0)
    [track] = content["identities"][0]["tracks"]
    assert len(track["crops"]) == 8
    assert all((tmp_path / crop["file"]).exists() for crop in track["crops"])


def test_embeddings_are_weighted_means_of_unit_length(tmp_path: Path) -> None:
    def step(seconds: float, vector: list[float], box: list[float]) -> tuple[Shot, ...]:
        seen = _seen("a", seconds, [(1, 1, box), (2, 2, [150, 50, 180, 150])])
        return (seen.having(embeddings=np.array([vector, [np.nan, np.nan]], np.float32)),)

    _run(tmp_path, [step(0.0, [1, 0], [50, 50, 90, 150]), step(0.1, [0, 1], [50, 50, 90, 100])])
    with np.load(tmp_path / "embeddings.npz") as data:
        assert data["camera"].tolist() == ["a"]
        assert data["track"].tolist() == [1]
        np.testing.assert_allclose(data["embedding"], [np.array([2, 1]) / 5**0.5], atol=1e-6)


def test_memory_is_bounded_and_forgotten_tracks_take_their_pictures_along(tmp_path: Path) -> None:
    steps = [(_seen("a", float(k), [(k, k, BOX)]),) for k in range(60)]
    sink = IdentitiesSink(tmp_path, ["a", "b"], keep=10, idle=3.0)
    for step in steps:
        sink.write(step_of(*step))
        assert len(sink._tracks) <= 12
        assert sum(live.strip is not None for live in sink._tracks.values()) <= 6
    sink.close()
    content = json.loads((tmp_path / "identities.json").read_text())
    kept = {entry["id"] for entry in content["identities"]}
    assert len(kept) <= 12
    assert {int(path.stem.split("-")[0]) for path in (tmp_path / "crops/a").iterdir()} == kept


def test_pictures_and_embeddings_go_after_their_time(tmp_path: Path) -> None:
    def step(seconds: float, track: int) -> tuple[Shot, ...]:
        seen = _seen("a", seconds, [(track, track, BOX)])
        return (seen.having(embeddings=np.eye(8, dtype=np.float32)[[track]]),)

    sink = IdentitiesSink(tmp_path, ["a", "b"], idle=3.0, retain=20.0, every=0.0)
    for k in range(60):
        sink.write(step_of(*step(float(k), 1 if k < 5 else 2 if k < 10 or k > 50 else 3)))
    sink.close()
    with np.load(tmp_path / "embeddings.npz") as data:
        assert data["track"].tolist() == [3, 2]
    left = sorted(
        str(path.relative_to(tmp_path / "crops")).split("-")[0] for path in (tmp_path / "crops").rglob("*.jpg")
    )
    assert sorted(set(left)) == ["2.jpg", "3.jpg", "a/2", "a/3"]
    people = json.loads((tmp_path / "identities.json").read_text())["identities"]
    assert [(person["id"], person["crop"]) for person in people] == [
        (1, None),
        (2, "crops/2.jpg"),
        (3, "crops/3.jpg"),
    ]


def test_intermediate_versions_are_written(tmp_path: Path) -> None:
    sink = IdentitiesSink(tmp_path, ["a", "b"], every=0.0)
    sink.write(step_of(_seen("a", 0.0, [(1, 1, BOX)])))
    assert json.loads((tmp_path / "identities.json").read_text())["identities"][0]["id"] == 1


def test_reading_back_and_regrouping(tmp_path: Path) -> None:
    _run(tmp_path, [(_seen("a", 0.0, [(1, 1, BOX)]), _seen("b", 0.0, [(1, 2, BOX)]))])
    known = read_identities(tmp_path)
    write_identities(tmp_path, known.cameras, [(record, 8) for record, _ in known.tracks])
    content = json.loads((tmp_path / "identities.json").read_text())
    assert [(entry["id"], entry["cameras"]) for entry in content["identities"]] == [(8, ["a", "b"])]
    assert [path.name for path in (tmp_path / "crops").glob("*.jpg")] == ["8.jpg"]


@pytest.mark.parametrize("looks", [{}, {("a", 0): np.full(4, 0.5, np.float32)}])
def test_the_list_takes_little_memory_for_somebody_who_is_always_there(
    tmp_path: Path, looks: dict[tuple[str, int], Any]
) -> None:
    """Fault: all that is written of a person was in memory at once, 5 KiB a track: more every hour of a live run."""

    def records() -> Iterator[TrackRecord]:
        for track in range(3_000):
            record = TrackRecord("a", track, 0.0, 5.0, spans=[[0.0, 5.0]])
            if track == 7:
                record.was(Former(3, 1.0, "merge"))
            yield record

    tracemalloc.start()
    try:
        write_people(
            tmp_path,
            {"a": CameraRecord()},
            lambda: [(1, records)],
            pictures=False,
            colors=IdentityColors(),
            embeddings=looks,
        )
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 500_000
    [person] = json.loads((tmp_path / "identities.json").read_text())["identities"]
    assert [track["track"] for track in person["tracks"]] == list(range(3_000))
    assert person["grounds"]["state"] == "revised", "also by a track without a look"
