"""Hiding people: no pixel of a head leaves, whatever the detector misses."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.steps import Feed, Shot

from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.errors import OutputError
from relaytrack.pipeline.palette import identity_color
from relaytrack.pipeline.postprocess.finalize import finalize
from relaytrack.pipeline.records import Detections, Frame, Image
from relaytrack.pipeline.render.anonymise import Veil, hidden_regions, hide
from relaytrack.pipeline.render.encoder import Encoder
from relaytrack.pipeline.report import write_report
from relaytrack.pipeline.results.folder import prepare_output
from relaytrack.pipeline.sinks import create_sinks

HEAD = np.array([[255, 0, 0], [0, 255, 255]], np.uint8)  # a chequered face that nothing else looks like


def _person(image: Image, x: int, y: int, width: int = 40, height: int = 120) -> None:
    """Draw somebody with a chequered head into the box at (x, y)."""
    image[y : y + height, x : x + width] = (90, 110, 70)
    rows, columns = np.mgrid[0:24, 0:24]
    left = x + width // 2 - 12
    image[y : y + 24, left : left + 24] = HEAD[(rows // 6 + columns // 6) % 2]


def _faces(image: Image) -> int:
    """How many pixels look like a piece of a face."""
    colors = image.astype(int)
    red = (colors[..., 0] > 170) & (colors[..., 1] < 100) & (colors[..., 2] < 100)
    cyan = (colors[..., 0] < 90) & (colors[..., 1] > 150) & (colors[..., 2] > 150)
    return int(red.sum() + cyan.sum())


def _tracks(
    time: float,
    image: Image,
    tracked: list[list[float]],
    detected: list[list[float]] | None = None,
    *,
    camera: str = "a",
    index: int = 1,
) -> Shot:
    boxes = np.array(tracked, np.float32).reshape(-1, 4)
    found = np.array(tracked if detected is None else detected, np.float32).reshape(-1, 4)
    ids = np.arange(1, len(boxes) + 1, dtype=np.int64)
    return Shot.of(
        Frame(camera, index, time, image),
        ids,
        ids + 10,
        boxes,
        np.full(len(boxes), 0.9, np.float32),
        Detections(found, np.full(len(found), 0.3, np.float32)),
    )


BLANK = np.zeros((4, 4, 3), np.uint8)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-80, 180), st.floats(-80, 180), st.floats(1, 150), st.floats(1, 150)),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from(["heads", "persons"]),
)
def test_hidden_pixels_say_nothing_of_what_was_there(boxes: list[tuple[float, ...]], mode: str) -> None:
    xyxy = np.array([[x, y, x + width, y + height] for x, y, width, height in boxes], np.float32)
    image = np.random.default_rng(1).integers(0, 255, (160, 160, 3), np.uint8)
    hidden = hide(image, xyxy, mode)  # type: ignore[arg-type]
    covered = np.zeros((160, 160), bool)
    for x1, y1, x2, y2 in hidden_regions(xyxy, mode).tolist():  # type: ignore[arg-type]
        part = np.s_[
            max(0, int(np.floor(y1))) : max(0, int(np.ceil(y2))), max(0, int(np.floor(x1))) : max(0, int(np.ceil(x2)))
        ]
        covered[part] = True
    np.testing.assert_array_equal(hidden[~covered], image[~covered])
    assert len(np.unique(hidden[covered], axis=0)) <= len(boxes)


def test_regions_hold_the_head_also_of_somebody_cut_off_below() -> None:
    [[x1, y1, x2, y2]] = hidden_regions(np.array([[100, 100, 140, 220]], np.float32), "heads").tolist()
    assert (x1, x2) == pytest.approx((96, 144))
    assert y1 < 92
    assert 125 < y2 < 140
    [[_, _, _, lower]] = hidden_regions(np.array([[100, 100, 180, 160]], np.float32), "heads").tolist()
    assert lower == pytest.approx(148)
    [[x1, y1, x2, y2]] = hidden_regions(np.array([[100, 100, 140, 220]], np.float32), "persons").tolist()
    assert x1 < 100
    assert y1 < 100
    assert x2 > 140
    assert y2 > 220


def _covers(boxes: np.ndarray, box: list[float]) -> bool:
    return any(
        found[0] <= box[0] + 1 and found[1] <= box[1] + 1 and found[2] >= box[2] - 1 and found[3] >= box[3] - 1
        for found in boxes.tolist()
    )


def test_unsure_detections_are_hidden_too() -> None:
    boxes = Veil().update(_tracks(0.0, BLANK, [[10, 10, 30, 60]], [[10, 10, 30, 60], [100, 10, 120, 60]]).tracks)
    assert _covers(boxes, [10, 10, 30, 60])
    assert _covers(boxes, [100, 10, 120, 60])


def test_a_missed_detection_uncovers_nobody() -> None:
    veil = Veil(hold=1.5)
    for step in range(10):  # walks 30 pixels a second
        veil.update(_tracks(step * 0.1, BLANK, [[10 + 3 * step, 10, 40 + 3 * step, 100]]).tracks)
    for step in range(10, 24):
        boxes = veil.update(_tracks(step * 0.1, BLANK, []).tracks)
        assert _covers(boxes, [10 + 3 * step, 10, 40 + 3 * step, 100]), step
    assert len(veil.update(_tracks(2.6, BLANK, []).tracks)) == 0


def test_memory_is_bounded() -> None:
    veil = Veil()
    rng = np.random.default_rng(0)
    for step in range(400):
        x, y = rng.uniform(0, 1000, 2)
        boxes = veil.update(_tracks(step * 0.1, BLANK, [[x, y, x + 20, y + 50]]).tracks)
        assert len(boxes) <= 40


def _config(tmp_path: Path, blur: str | None) -> Config:
    return Config.model_validate(
        {
            "cameras": [{"url": str(tmp_path / f"{name}.mp4"), "name": name} for name in ("a", "b")],
            "output": {"dir": str(tmp_path / "out"), "crf": 12, "anonymise": blur, "trail": 0},
        }
    )


def _first_pass(tmp_path: Path, config: Config) -> None:
    """Two cameras with somebody who walks; the detector misses some frames, and only sees them unsurely in others."""
    prepare_output(config)
    sinks, feed = create_sinks(config, ["a", "b"], live=False), Feed(config)
    encoders = {name: Encoder(tmp_path / f"{name}.mp4", crf=8) for name in ("a", "b")}
    for index in range(20):
        step = []
        for name, start in (("a", 20), ("b", 60)):
            image = np.full((200, 240, 3), 128, np.uint8)
            x = start + 4 * index
            _person(image, x, 50)
            encoders[name].write(image, index / 10)
            box = [[float(x), 50.0, x + 40.0, 170.0]]
            tracked = [] if index % 5 in (2, 3) else box
            detected = [] if index % 5 == 3 else box
            step.append(_tracks(index / 10, image, tracked, detected, camera=name, index=index + 1))
        made = feed.step(*step)
        for sink in sinks:
            sink.write(made)
    for closing in (*sinks, *encoders.values(), feed):
        closing.close()


def _pictures(folder: Path) -> dict[str, list[Image]]:
    found: dict[str, list[Image]] = {}
    for path in sorted((folder / "video").glob("*.mp4")):
        with av.open(str(path)) as container:
            found[path.name] = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    for path in sorted((folder / "crops").rglob("*.jpg")):
        read = cv2.imread(str(path))
        assert read is not None
        found[str(path.relative_to(folder))] = [np.asarray(read[..., ::-1], np.uint8)]
    page = write_report(folder).read_text()
    for number, data in enumerate(re.findall(r"data:image/jpeg;base64,([^\"]+)", page)):
        read = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
        assert read is not None
        found[f"report {number}"] = [np.asarray(read[..., ::-1], np.uint8)]
    return found


def _most_faces(folder: Path) -> dict[str, int]:
    return {name: max(_faces(image) for image in images) for name, images in _pictures(folder).items()}


@pytest.mark.parametrize("mode", ["heads", "persons"])
def test_no_face_in_any_output_of_either_pass(tmp_path: Path, mode: str) -> None:
    config = _config(tmp_path, mode)
    _first_pass(tmp_path, config)
    provisional = _most_faces(tmp_path / "out")
    assert len(provisional) == 3 + 3 + 2 + 2  # videos, crops, and in the report people and scenes
    assert max(provisional.values()) == 0, provisional
    assert finalize(config, {("a", 1): 40, ("b", 1): 40})
    final = _most_faces(tmp_path / "out")
    assert max(final.values()) == 0, final


def test_what_is_drawn_is_not_taken_for_a_face() -> None:
    for identity in (11, 40):
        assert _faces(np.full((4, 4, 3), identity_color(identity), np.uint8)) == 0


def test_the_face_would_be_found(tmp_path: Path) -> None:
    config = _config(tmp_path, None)
    _first_pass(tmp_path, config)
    assert min(_most_faces(tmp_path / "out").values()) > 50


def test_the_second_pass_shows_nobody_when_the_record_is_lost(tmp_path: Path) -> None:
    config = _config(tmp_path, "heads")
    _first_pass(tmp_path, config)
    (tmp_path / "out/hidden/a.txt").unlink()
    with pytest.raises(OutputError, match=r"hidden/a\.txt"):
        finalize(config, {("a", 1): 40})
    assert max(_most_faces(tmp_path / "out").values()) == 0


def test_a_box_that_fills_a_gap_hides_who_is_in_it(tmp_path: Path) -> None:
    """Somebody whom neither detector nor tracker saw for half a second has a box there in the end, and no face."""
    config = _config(tmp_path, "heads")
    _first_pass(tmp_path, config)
    for kind in ("hidden", "tracks", "global"):
        path = tmp_path / "out" / kind / "a.txt"
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(line for line in lines if not 8 <= int(line.split(",")[0]) <= 12))
    assert finalize(config, {("a", 1): 40, ("b", 1): 40})
    final = _most_faces(tmp_path / "out")
    assert max(final.values()) == 0, final


def test_live_runs_leave_no_record(tmp_path: Path) -> None:
    config = _config(tmp_path, "heads")
    sinks, feed = create_sinks(config, ["a"], live=True), Feed(config, live=True)
    image = np.full((200, 240, 3), 128, np.uint8)
    _person(image, 50, 50)
    seen = _tracks(0.0, image, [[50, 50, 90, 170]])
    step = feed.step(seen.at(arrived=1.0))
    for sink in sinks:
        sink.write(step)
        sink.close()
    assert not (tmp_path / "out/hidden").exists()
    [video] = (tmp_path / "out/video/a").iterdir()
    with av.open(str(video)) as container:
        assert _faces(next(container.decode(video=0)).to_ndarray(format="rgb24")) == 0
