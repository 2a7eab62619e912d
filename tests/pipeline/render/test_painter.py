"""Drawing: colours, text and where the plates stand."""

from __future__ import annotations

import itertools
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.memory import held_bytes
from support.steps import Shot

from relaytrack.pipeline.dates import format_time
from relaytrack.pipeline.palette import color_distance, identity_color, ink_on, to_lab
from relaytrack.pipeline.records import Frame
from relaytrack.pipeline.render.encoder import Encoder
from relaytrack.pipeline.render.labels import blend, pill, text_size
from relaytrack.pipeline.render.painter import Painter, _smooth


def _tracks(boxes: list[list[float]], ids: list[int], *, time: float = 0.0, size: int = 200) -> Shot:
    frame = Frame("gate", 1, time, np.full((size, size, 3), 90, np.uint8))
    xyxy = np.array(boxes, np.float32).reshape(-1, 4)
    numbers = np.array(ids, np.int64)
    return Shot.of(frame, numbers, numbers + 100, xyxy, np.ones(len(ids), np.float32))


def _paint(painter: Painter, tracks: Shot) -> np.ndarray:
    image = tracks.image.copy()
    painter.draw(image, tracks.tracks)
    return image


def _has(image: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    return np.argwhere((image == np.array(color, np.uint8)).all(axis=2))


def test_colors_are_stable_and_distinct() -> None:
    colors = [identity_color(identity) for identity in range(24)]
    assert colors == [identity_color(identity) for identity in range(24)]
    for one, other in itertools.combinations(colors, 2):
        assert np.abs(np.subtract(one, other)).sum() > 25, (one, other)


@pytest.mark.parametrize("identity", [0, 1, 7, 123456])
def test_ink_can_be_read_on_every_color(identity: int) -> None:
    def luminance(rgb: tuple[int, int, int]) -> float:
        linear = (np.array(rgb) / 255.0) ** 2.2
        return float(linear @ (0.2126, 0.7152, 0.0722))

    color = identity_color(identity)
    light, dark = sorted((luminance(color), luminance(ink_on(color))), reverse=True)
    assert (light + 0.05) / (dark + 0.05) > 3.0  # WCAG, large text


def test_text_grows_with_the_picture_but_slower() -> None:
    assert text_size(352, 576) == 12
    assert 12 < text_size(1920, 1080) < 36


def test_pill_holds_every_letter() -> None:
    assert pill("123", 12, (0, 0, 0), (255, 255, 255)).size[0] > pill("1", 12, (0, 0, 0), (255, 255, 255)).size[0]


def test_blend_at_the_edges_cuts_and_never_wraps() -> None:
    sprite = pill("88", 16, (255, 0, 0), (255, 255, 255))
    whole = np.zeros((100, 100, 3), np.uint8)
    blend(whole, sprite, 40, 40)
    for x, y in ((-5, -5), (90, 95), (-200, 0), (0, 300)):
        image = np.zeros((100, 100, 3), np.uint8)
        blend(image, sprite, x, y)
        shifted = np.zeros_like(image)
        for row, column in np.argwhere(whole.any(axis=2)):
            to_row, to_column = row - 40 + y, column - 40 + x
            if 0 <= to_row < 100 and 0 <= to_column < 100:
                shifted[to_row, to_column] = whole[row, column]
        np.testing.assert_array_equal(image, shifted)


def test_box_is_drawn_where_it_is_in_the_colour_of_the_global_id() -> None:
    image = _paint(Painter("gate"), _tracks([[60, 80, 100, 160]], [3]))
    where = _has(image, identity_color(103))
    assert len(where) > 100
    low, high = where.min(axis=0), where.max(axis=0)
    assert abs(high[0] - 160) <= 2
    assert abs(low[1] - 60) <= 2
    assert abs(high[1] - 100) <= 2
    assert len(_has(image, identity_color(3))) == 0


def test_the_frame_itself_is_not_changed_outside_of_marks() -> None:
    tracks = _tracks([[60, 80, 100, 160]], [3])
    image = _paint(Painter("gate"), tracks)
    assert (tracks.image == 90).all()
    assert (image[170:, :, :] == 90).all()


def test_trail_follows_the_feet_and_ends_after_its_time() -> None:
    painter = Painter("gate", trail=1.0)
    for step in range(11):
        box = [10.0 + 12 * step, 60, 30.0 + 12 * step, 120]
        image = _paint(painter, _tracks([box], [1], time=step * 0.25))
    path = np.abs(image[119:122].astype(int) - 90).max(axis=(0, 2)) > 20
    columns = np.flatnonzero(path)
    assert columns.min() <= 20 + 12 * 6 + 2  # one second of path
    assert columns.min() >= 20 + 12 * 6 - 3


@pytest.mark.parametrize(("width", "height"), [(160, 96), (352, 288), (704, 576), (1920, 1080)])
def test_boxes_keep_their_colour_in_a_video(tmp_path: Path, width: int, height: int) -> None:
    box = [0.3 * width, 0.2 * height, 0.45 * width, 0.8 * height]
    for identity in (1, 2, 3, 4):
        frame = Frame("gate", 1, 0.0, np.full((height, width, 3), 110, np.uint8))
        found = np.array([box], np.float32)
        ids = np.array([identity])
        tracks = Shot.of(frame, ids, ids, found, np.ones(1, np.float32))
        encoder = Encoder(tmp_path / f"{identity}.mp4", crf=26)
        encoder.write(_paint(Painter("gate", trail=0), tracks), 0.0)
        encoder.close()
        with av.open(str(tmp_path / f"{identity}.mp4")) as container:
            image = next(container.decode(video=0)).to_ndarray(format="rgb24")
        y = round(0.55 * height)  # the side of the box, far from its corners and from plates
        strip = image[y - 6 : y + 6, round(box[0]) - 8 : round(box[0]) + 8].reshape(-1, 3).astype(np.float64)
        wanted = to_lab(np.array(identity_color(identity), np.float64))
        distance = np.sort(color_distance(to_lab(strip), wanted))
        assert np.median(distance[:12]) < 14, "a line in its colour"
        assert strip.mean(axis=1).min() < 70, "and a dark edge"


def test_a_trembling_trail_is_drawn_smooth() -> None:
    random = np.random.default_rng(0)
    times = np.arange(60) / 25
    path = np.column_stack([times, 10 + 60 * times, np.full(60, 100.0)])
    shaken = path + np.column_stack([np.zeros(60), random.normal(0, 2, (60, 2))])
    smooth = _smooth(shaken)
    assert np.abs(smooth[8:-8, 2] - 100).max() < 1.5 < np.abs(shaken[8:-8, 2] - 100).max()
    np.testing.assert_allclose(smooth[[0, -1]], shaken[[0, -1]], err_msg="it begins and ends where the feet are")
    np.testing.assert_allclose(_smooth(path), path, atol=1e-6, err_msg="a straight walk stays straight")
    np.testing.assert_allclose(_smooth(path[:2]), path[:2])


def test_trail_does_not_bridge_a_long_absence() -> None:
    painter = Painter("gate", trail=30.0)
    _paint(painter, _tracks([[10, 60, 30, 120]], [1], time=0.0))
    image = _paint(painter, _tracks([[150, 60, 170, 120]], [1], time=5.0))
    assert _has(image, identity_color(101))[:, 1].min() > 100


def test_memory_of_a_painter_is_bounded_by_time() -> None:
    painter = Painter("gate", trail=1.0)
    for step in range(300):
        painter.draw(np.zeros((50, 50, 3), np.uint8), _tracks([[5, 5, 15, 30]], [step], time=step * 0.5).tracks)
    assert len(painter._trails) <= 4


def test_plates_avoid_the_heads_of_neighbours() -> None:
    # one stands right above the other: the usual place of the lower one's plate is the upper one's body
    boxes = [[80, 40, 120, 100], [80, 101, 120, 180]]
    plain = _paint(Painter("gate"), _tracks([boxes[0]], [1]))
    both = _paint(Painter("gate"), _tracks(boxes, [1, 2]))
    head = np.s_[42:66, 84:116]
    np.testing.assert_array_equal(both[head], plain[head])


@settings(max_examples=50, deadline=None)
@given(
    st.tuples(st.floats(-50, 250), st.floats(-50, 250), st.floats(1, 200), st.floats(1, 200)),
    st.integers(1, 3),
)
def test_any_box_can_be_drawn(box: tuple[float, float, float, float], count: int) -> None:
    x, y, width, height = box
    boxes = [[x + 3 * k, y, x + 3 * k + width, y + height] for k in range(count)]
    _paint(Painter("gate"), _tracks(boxes, list(range(count))))


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (0.0, "0:00.0"),
        (59.96, "1:00.0"),
        (75.24, "1:15.2"),
        (3661.5, "1:01:01.5"),
        (-1.5, "-0:01.5"),
        (-0.01, "0:00.0"),
    ],
)
def test_clock(time: float, text: str) -> None:
    assert format_time(time) == text


def test_wall_clock_shows_date_and_time() -> None:
    painter = Painter("gate")
    assert painter.clock(30.0) == "0:30.0"
    painter.follow(_tracks([], []).at(epoch=1_700_000_000.0).tracks)
    assert painter.clock(30.0).endswith(":50")
    assert painter.clock(30.0).startswith("2023-11-1")


def test_labels_of_people_who_left_are_not_kept() -> None:
    """Fault: 1,024 labels were kept, 20 MB of a run of days."""

    def run() -> None:
        pill.cache_clear()
        for identity in range(1500):
            pill(str(10_000 + identity), 22, (200, 10, 10), (255, 255, 255))

    assert 2**20 < held_bytes(run) < 8 * 2**20
