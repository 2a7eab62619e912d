"""Changes of cameras: renaming, pausing over a restart, floor points, and two operators at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

from tests.pipeline.server.test_api import problem
from tests.support.sites import served, settled
from tests.support.world import wait_for


def test_a_camera_is_renamed_and_everything_stays_with_it(tmp_path: Path) -> None:
    with served(tmp_path) as site:
        person = settled(site)["identity"]
        tracks = {one.track for one in site.site.people.sightings(person)}
        camera = site.http.patch("/api/v1/cameras/door", json={"title": "Main  door"}).json()
        assert (camera["name"], camera["title"]) == ("door", "Main door")
        assert yaml.safe_load(site.file.read_text())["cameras"][0]["title"] == "Main door"
        assert wait_for(lambda: site.get("/api/v1/cameras/door").json()["frames"] > camera["frames"] + 5)
        assert {one.track for one in site.site.people.sightings(person)} == tracks, "nothing began anew"
        for page in ("/", "/people", "/events", "/cameras", f"/people/{person}", "/system"):
            assert "Main door" in site.get(page).text, page
        site.http.post("/api/v1/cameras", json={"url": "rtsp://127.0.0.1:9/x", "name": "hall"})
        for taken in ("Main door", "door"):
            assert problem(site.http.patch("/api/v1/cameras/hall", json={"title": taken}), 409)["field"] == "title"
        assert site.http.patch("/api/v1/cameras/door", json={"title": None}).json()["title"] == "door"
        assert "title" not in yaml.safe_load(site.file.read_text())["cameras"][0]


def test_a_paused_camera_stays_paused_over_a_restart(tmp_path: Path) -> None:
    with served(tmp_path) as site:
        site.http.post("/api/v1/cameras", json={"url": "rtsp://127.0.0.1:9/x", "name": "hall"})
        assert site.http.post("/api/v1/cameras/hall/pause").json()["state"] == "paused"
    with served(tmp_path) as site:
        assert site.get("/api/v1/cameras/hall").json()["state"] == "paused"
        assert not [thread.name for thread in threading.enumerate() if thread.name == "read-hall"], "nothing is opened"
        assert site.http.post("/api/v1/cameras/hall/resume").json()["state"] in ("opening", "waiting")
        assert "paused" not in yaml.safe_load(site.file.read_text())["cameras"][1]


def test_two_operators_who_change_the_same_thing(tmp_path: Path) -> None:
    with served(tmp_path) as site:
        person = settled(site)
        path, revision = f"/api/v1/people/{person['identity']}", person["revision"]
        assert site.http.patch(path, json={"name": "Ada", "revision": revision}).status_code == 200
        answer = problem(site.http.patch(path, json={"name": "Eve", "revision": revision}), 409)
        assert answer["field"] == "revision"
        assert site.get(path).json()["name"] == "Ada"
        camera = site.get("/api/v1/cameras/door").json()["revision"]
        changes = [{"zones": {str(number): [[1, 1], [50, 1], [50, 50]]}, "revision": camera} for number in range(8)]
        with ThreadPoolExecutor(8) as pool:
            answers = pool.map(lambda change: site.http.patch("/api/v1/cameras/door", json=change), changes)
            codes = [answer.status_code for answer in answers]
        assert sorted(codes) == [200] + [409] * 7, "only the first one"


def test_floor_points_and_the_region_are_checked(tmp_path: Path) -> None:
    with served(tmp_path) as site:
        points = [[10, 40, 0, 0], [150, 40, 10, 0], [150, 119, 10, 5], [10, 119, 0, 5]]
        camera = site.http.patch("/api/v1/cameras/door", json={"ground": {"points": points}}).json()
        assert camera["ground"] is True
        assert camera["ground_points"] == points
        row = {"points": [[x, x, x, x] for x in (1, 2, 3, 4)]}
        assert problem(site.http.patch("/api/v1/cameras/door", json={"ground": row}), 422)["field"] == "ground"
        assert problem(site.http.patch("/api/v1/cameras/door", json={"roi": [0, 0, 1, 1]}), 422)["field"] == "roi"
        assert site.get("/api/v1/cameras/door/snapshot.jpg?drawn=false").headers["content-type"] == "image/jpeg"
