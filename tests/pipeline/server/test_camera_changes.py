"""Changes of cameras: renaming, pausing over a restart, floor points, and two operators at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from relaytrack.pipeline.errors import ConfigError, OutputError
from tests.pipeline.server.test_api import problem
from tests.support.sites import log_in, served, settled
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


def test_what_the_file_does_not_take_does_not_happen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault: the engine had a change already that the file refused; the next start came up without it."""

    def full(*_: object) -> None:
        raise OutputError("the disk is full")

    with served(tmp_path) as site:
        before, text = site.get("/api/v1/cameras").json()["cameras"][0], site.file.read_text()
        with monkeypatch.context() as patched:
            patched.setattr(site.site.file, "_replace", full)
            hall = {"url": "rtsp://127.0.0.1:9/x", "name": "hall"}
            for method, path, content in (
                ("PATCH", "/api/v1/cameras/door", {"title": "Gate"}),
                ("POST", "/api/v1/cameras/door/pause", None),
                ("DELETE", "/api/v1/cameras/door", None),
                ("POST", "/api/v1/cameras", hall),
            ):
                answer = site.http.request(method, path, json=content)
                assert answer.status_code == 409, (method, path)
                assert answer.json()["detail"] == "the disk is full"
            now = site.get("/api/v1/cameras").json()["cameras"]
        assert [(one["name"], one["title"], one["revision"]) for one in now] == [
            (before["name"], before["title"], before["revision"])
        ]
        assert now[0]["state"] != "paused"
        assert site.file.read_text() == text

        def refuse(*_: object) -> None:
            raise ConfigError("the engine is not running")

        monkeypatch.setattr(site.site.pipeline, "change_camera", refuse)
        assert site.http.patch("/api/v1/cameras/door", json={"title": "Gate"}).status_code == 409
        assert site.file.read_text() == text


def test_settings_that_lie_too_deep_in_each_other(tmp_path: Path) -> None:
    """Fault: 300 mappings in each other were a server error."""
    with served(tmp_path) as site:
        for depth in (10, 300, 900):
            text = '{"ground": ' + '{"a": ' * depth + "1" + "}" * depth + "}"
            head = {"content-type": "application/json"}
            answer = site.http.patch("/api/v1/cameras/door", content=text, headers=head)
            assert (answer.status_code, answer.json()["field"]) == (422, "ground")


def test_no_address_leads_to_the_host_that_a_request_names(tmp_path: Path) -> None:
    """Fault: an address with a slash too many was answered with a way to any host that the request named."""
    with served(tmp_path, users={"root": "admin"}) as site, log_in(site, "root") as root:
        for path in ("/people/", "/api/v1/cameras/", "/cameras/door/"):
            answer = root.get(path, headers={"host": "evil.example"})
            assert answer.status_code == 404
            assert "location" not in answer.headers
