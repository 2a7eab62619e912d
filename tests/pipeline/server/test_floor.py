"""The floor: feet in metres, paths, the heat map, and what each camera sees; drawn on the map page."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from relaytrack.pipeline.config.schema import CameraConfig
from relaytrack.pipeline.records import FrameInfo, FrameTracks, Step
from relaytrack.pipeline.results.correction import Correction
from relaytrack.pipeline.server.floor import CELL, SiteFloor
from tests.support.sites import served
from tests.support.world import wait_for

TENTH = [[0.1, 0.0, 0.0], [0.0, 0.1, 0.0], [0.0, 0.0, 1.0]]  # ten pixels are a metre


def seen(camera: str, moment: float, people: dict[int, tuple[float, float]], origin: tuple[int, int] = (0, 0)) -> Step:
    """People (identity -> feet in pixels) in one camera's frame."""
    boxes = np.array([[x - 2, y - 20, x + 2, y] for x, y in people.values()], np.float32).reshape(-1, 4)
    frame = FrameInfo(camera, 1, moment, (160, 120), origin, epoch=1e9 + moment)
    ids = np.array(list(people), np.int64)
    return Step.of([FrameTracks(frame, ids, ids, boxes, np.ones(len(ids), np.float32))])


def floor_of(*cameras: str) -> SiteFloor:
    floor = SiteFloor()
    for camera in cameras:
        floor.camera_added(CameraConfig(url="x.mp4", name=camera, ground={"homography": TENTH}))
    return floor


def test_people_stand_where_their_feet_are_and_leave_a_path() -> None:
    floor = floor_of("east")
    for index in range(30):
        floor.write(seen("east", index / 10, {5: (20 + 5 * index, 40), 0: (1, 1)}))
    [person] = floor.people()
    assert (person["identity"], person["here"]) == (5, True)
    assert person["path"][0] == [2.0, 4.0]
    assert person["path"][-1] == [16.5, 4.0]
    floor.write(seen("east", 10.0, {}))
    assert floor.people()[0]["here"] is False
    floor.write(seen("east", 60.0, {}))
    assert floor.people() == []


def test_who_is_seen_twice_stands_between() -> None:
    floor = floor_of("east", "west")
    one, other = seen("east", 0.0, {5: (20, 40)}), seen("west", 0.0, {5: (24, 40)})
    floor.write(Step.of([*one, *other]))
    assert floor.people()[0]["path"] == [[2.2, 4.0]]


def test_the_heat_map_counts_seconds() -> None:
    floor = floor_of("east")
    for index in range(21):
        floor.write(seen("east", index / 10, {5: (21, 41)}))
    [[x, y, seconds]] = floor.heat()
    assert (x, y) == (2.0, 4.0)
    assert abs(seconds - 2.0) < 0.01
    assert x <= 2.1 < x + CELL
    floor.camera_added(CameraConfig(url="x.mp4", name="east", ground={"homography": TENTH}))
    assert floor.heat(), "the same calibration changes nothing"
    turned = [[0.2, 0.0, 0.0], [0.0, 0.1, 0.0], [0.0, 0.0, 1.0]]
    floor.camera_added(CameraConfig(url="x.mp4", name="east", ground={"homography": turned}))
    assert floor.heat() == [], "another one makes it begin anew"


def test_a_region_of_interest_counts_from_the_full_picture() -> None:
    floor = floor_of("east")
    floor.write(seen("east", 0.0, {5: (20, 40)}, origin=(100, 50)))
    assert floor.people()[0]["path"] == [[12.0, 9.0]]
    corners = np.array(floor.views()["east"])
    assert corners.min(axis=0).tolist() == [10.0, 5.0]
    assert corners.max(axis=0).tolist() == [26.0, 17.0]


def test_cameras_without_a_floor_and_the_forgotten_are_not_there() -> None:
    floor = floor_of()
    floor.write(seen("east", 0.0, {5: (20, 40)}))
    assert (floor.people(), floor.heat(), floor.calibrated) == ([], [], False)
    floor = floor_of("east")
    floor.write(seen("east", 0.0, {5: (20, 40)}))
    floor.corrected(Correction("forget", 5, 0, {}, 0.0, False))
    assert floor.people() == []
    floor.write(seen("east", 0.1, {6: (20, 40)}))
    floor.camera_removed("east")
    assert floor.views() == {}


def test_the_floor_over_the_api(tmp_path: Path) -> None:
    with served(tmp_path) as site:
        assert "No camera is calibrated" in site.get("/map").text
        assert site.get("/api/v1/floor").json() == {"calibrated": False, "people": [], "views": {}, "titles": {}}
        points = [[0, 0, 0, 0], [160, 0, 16, 0], [160, 120, 16, 12], [0, 120, 0, 12]]
        assert site.http.patch("/api/v1/cameras/door", json={"ground": {"points": points}}).status_code == 200
        assert wait_for(lambda: site.get("/api/v1/floor").json()["people"])
        person = site.get("/api/v1/floor").json()["people"][0]
        assert abs(person["path"][-1][1] - 9.0) < 0.4, "feet at 90 of 120 pixels"
        assert person["color"].startswith("#")
        assert site.get("/api/v1/floor").json()["titles"] == {"door": "door"}
        assert wait_for(lambda: site.get("/api/v1/floor/heat").json()["cells"])


def test_a_leap_that_nobody_walks_begins_the_path_anew() -> None:
    floor = floor_of("east")
    for moment, x in ((0.0, 20), (0.5, 25), (1.0, 140), (1.5, 145)):
        floor.write(seen("east", moment, {5: (x, 40)}))
    assert floor.people()[0]["path"] == [[14.0, 4.0], [14.5, 4.0]], "as where a recording begins anew"


def test_who_is_seen_rarely_because_frames_are_rare_stays_on_the_floor() -> None:
    floor = floor_of("slow", "fast")
    for moment in range(0, 40, 2):
        floor.write(seen("slow", float(moment), {5: (20, 40)}))
    floor.write(seen("fast", 42.0, {}))
    assert floor.people()[0]["here"] is True
    floor.write(seen("fast", 50.0, {}))
    assert floor.people()[0]["here"] is False
