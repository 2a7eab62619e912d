"""Zones and lines in the videos."""

from __future__ import annotations

import numpy as np
import pytest

from relaytrack.pipeline.config.loading import load_config
from relaytrack.pipeline.events.zones import LineWatch
from relaytrack.pipeline.records import FrameInfo, FrameTracks, Image
from relaytrack.pipeline.render.annotator import Annotator
from relaytrack.pipeline.render.places import Places, places_of

CAMERA = {
    "url": "gate.mp4",
    "zones": {"door": [[200, 150], [300, 150], [300, 220], [200, 220]]},
    "lines": {"way": [[100, 230], [100, 130]]},
}


def painted(origin: tuple[int, int] = (0, 0), **output: object) -> Image:
    """The picture of an empty frame of 400 x 300 pixels."""
    config = load_config(data={"cameras": [CAMERA], "output": output})
    ids, boxes, scores = np.zeros(0, np.int64), np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
    tracks = FrameTracks(FrameInfo("gate", 1, 0.0, (400, 300), origin), ids, ids, boxes, scores)
    return Annotator(0.0, places=places_of(config)).draw(tracks, np.full((300, 400, 3), 90, np.uint8))


def test_zones_and_lines_are_drawn_where_they_are() -> None:
    image = painted()
    for x, y in ((250, 150), (300, 180), (250, 220), (200, 180), (100, 140)):
        assert image[y, x].min() > 200, (x, y)
    assert (image[160:170, 210:230] == 90).all()  # a zone is not filled
    moved = painted(origin=(50, 40))
    assert moved[150 - 40, 250 - 50].min() > 200


def test_the_arrow_points_forward() -> None:
    image = painted()
    watch = LineWatch(np.array(CAMERA["lines"]["way"]))  # type: ignore[index]
    watch.update(0.0, np.array([1]), np.array([[70.0, 180.0]]))
    assert [kind for kind, _ in watch.update(1.0, np.array([1]), np.array([[130.0, 180.0]]))] == ["forward"]
    bright = (image > 200).all(axis=2)
    assert bright[170:191, 106:116].any()


def test_the_option_leaves_them_out() -> None:
    assert (painted(zones=False)[140:] == 90).all()
    assert places_of(load_config(data={"cameras": ["a.mp4"]})) == {}


@pytest.mark.parametrize("corner", [1e12, -1e12])
def test_corners_far_away_do_no_harm(corner: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CAMERA, "zones", {"z": [[10, 250], [corner, 250], [10, corner]]})
    assert painted().shape == (300, 400, 3)


class Vanishing(dict[str, Places]):
    """Places that another thread takes out between two looks."""

    def __contains__(self, name: object) -> bool:
        there = super().__contains__(name)
        self.clear()
        return there


def test_zones_that_are_switched_off_while_a_frame_is_drawn_do_no_harm() -> None:
    config = load_config(data={"cameras": [CAMERA]})
    ids, boxes, scores = np.zeros(0, np.int64), np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
    tracks = FrameTracks(FrameInfo("gate", 1, 0.0, (400, 300)), ids, ids, boxes, scores)
    image = np.full((300, 400, 3), 90, np.uint8)
    assert Annotator(0.0, places=Vanishing(places_of(config))).draw(tracks, image).shape == image.shape
