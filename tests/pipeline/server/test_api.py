"""The API over real connections: cameras, people, tracks, counts, probes, metrics, errors."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
import yaml

from relaytrack.pipeline.records import FrameInfo, FrameTracks, Step
from relaytrack.pipeline.server.people import People
from relaytrack.pipeline.server.site_settings import running
from relaytrack.pipeline.server.store import SiteStore
from relaytrack.pipeline.server.typed_line import typed_line
from relaytrack.trackers import IdentityStore, Revision
from tests.support.sites import Served, served, settled
from tests.support.world import wait_for


def problem(answer: httpx.Response, status: int) -> dict[str, object]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    content = answer.json()
    assert content["status"] == status
    assert content["detail"]
    return dict(content)


def test_probes_say_that_the_engine_runs(site: Served) -> None:
    for probe in ("/live", "/ready", "/startup"):
        answer = site.get(probe)
        assert (answer.status_code, answer.text) == (200, "running\n")


def test_cameras_are_listed_with_state_and_figures(site: Served) -> None:
    assert wait_for(lambda: site.get("/api/v1/cameras").json()["cameras"][0]["frames"] > 5)
    camera = site.get("/api/v1/cameras/door").json()
    assert camera["state"] == "running"
    assert camera["size"] == [160, 120]
    assert camera["rate"] > 1
    assert camera["age_p50_ms"] < 2000


def test_tracks_tell_boxes_and_numbers(site: Served) -> None:
    assert wait_for(lambda: site.get("/api/v1/cameras/door/tracks").json()["people"])
    person = site.get("/api/v1/tracks").json()["cameras"][0]["people"][0]
    x1, y1, x2, y2 = person["box"]
    assert 15 < x2 - x1 < 35
    assert 50 < y2 - y1 < 70
    assert person["identity"] >= 1


def test_a_snapshot_is_a_picture_with_the_persons_box(site: Served) -> None:
    answer = site.get("/api/v1/cameras/door/snapshot.jpg")
    assert answer.headers["content-type"] == "image/jpeg"
    image = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (120, 160, 3)


def test_people_have_pictures_and_sightings(site: Served) -> None:
    person = settled(site)
    found = site.get(f"/api/v1/people/{person['identity']}").json()
    assert found["cameras"] == ["door"]
    assert found["sightings"][0]["frames"] >= 1
    picture = site.get(f"/api/v1/pictures/{person['picture']}.jpg")
    image = cv2.imdecode(np.frombuffer(picture.content, np.uint8), cv2.IMREAD_COLOR)
    assert image[..., 2].mean() > image[..., 1].mean() + 50, "the person is red"
    assert site.get("/api/v1/people?here=true").json()["people"]


def test_unknown_things_are_404_with_a_sentence(site: Served) -> None:
    for path in ("cameras/none", "cameras/none/snapshot.jpg", "people/99999", "pictures/99999.jpg", "nothing"):
        problem(site.get(f"/api/v1/{path}"), 404)


def test_wrong_values_name_their_field(site: Served) -> None:
    def patch(content: object) -> httpx.Response:
        return site.http.patch("/api/v1/cameras/door", json=content)

    assert problem(patch({"zones": {"floor": [[0, 0], [1, 1]]}}), 422)["field"] == "zones"
    assert problem(patch({"max_fps": -1}), 422)["field"] == "max_fps"
    assert problem(patch({"maxfps": 3}), 422)["field"] == "maxfps"
    assert problem(site.get("/api/v1/people?limit=many"), 422)["field"] == "limit"


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b"1", b"NaN", b'"x"'])
def test_a_body_that_is_wrong_as_a_whole_is_named(site: Served, content: bytes) -> None:
    answer = site.http.post("/api/v1/cameras", content=content, headers={"content-type": "application/json"})
    assert problem(answer, 422)["field"] == "body"
    assert answer.json()["detail"].startswith("body: ")


def test_metrics_can_be_read_by_prometheus(site: Served) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    assert wait_for(lambda: site.get("/api/v1/cameras/door").json()["frames"] > 5)
    found = {family.name: family for family in text_string_to_metric_families(site.get("/metrics").text)}
    assert found["relaytrack_up"].samples[0].value == 1
    frames = found["relaytrack_frames"].samples[0]
    assert frames.labels == {"camera": "door"}
    assert frames.value > 5


def test_status_counts_and_config(site: Served) -> None:
    status = site.get("/api/v1/status").json()
    assert status["state"] == "running"
    assert status["receivers"]["site-people"]["state"] == "running"
    assert site.get("/api/v1/counts").json()["cameras"] is not None
    assert site.get("/api/v1/config").json()["config"]["cameras"][0]["name"] == "door"


@pytest.mark.parametrize("path", ["/", "/people", "/events", "/cameras", "/cameras/door", "/system", "/docs"])
def test_every_page_comes_without_anything_from_elsewhere(site: Served, path: str) -> None:
    answer = site.get(path)
    assert answer.status_code == 200
    assert "style=" not in answer.text
    assert " onclick" not in answer.text
    for part in answer.text.split("<script")[1:]:
        assert part.split(">")[0].strip().startswith(('src="/static/', 'type="module" src="/static/'))
    assert "//" not in answer.text.replace("rtsp://", "").replace("http://www.w3.org", "")


def test_the_system_page_tells_stages_queues_and_the_log(site: Served) -> None:
    logging.getLogger("relaytrack.server").warning("odd camera: rtsp://me:secret@10.0.0.5/x")
    lines = site.get("/api/v1/log").json()["lines"]
    assert "10.0.0.5" in lines[0]["message"]
    assert lines[0]["level"] == "WARNING"
    assert "secret" not in str(lines)
    assert wait_for(lambda: site.get("/api/v1/status").json()["stages"].get("track", {}).get("count", 0) > 5)
    stage = site.get("/api/v1/status").json()["stages"]["track"]
    assert stage["rate"] > 0
    assert stage["ms"] >= 0
    assert site.get("/api/v1/cameras/door").json()["waiting"] >= 0
    page = site.get("/system").text
    assert "odd camera" in page
    assert "follow and recognise (steps)" in page


def test_cameras_come_change_pause_and_go_and_the_file_follows(tmp_path: Path) -> None:
    with served(tmp_path) as site:
        added = site.http.post("/api/v1/cameras", json={"url": "rtsp://me:secret@127.0.0.1:9/x", "name": "hall"})
        assert added.status_code == 201
        assert added.json()["url"].startswith("rtsp://***@127.0.0.1:9/")
        assert added.json()["state"] in ("opening", "waiting")
        problem(site.http.post("/api/v1/cameras", json={"url": "rtsp://127.0.0.1:9/x", "name": "hall"}), 409)

        revision = site.get("/api/v1/cameras/door").json()["revision"]
        zone = {"zones": {"mat": [[10, 40], [150, 40], [150, 119], [10, 119]]}, "revision": revision}
        assert site.http.patch("/api/v1/cameras/door", json=zone).json()["zones"]["mat"][1] == [150, 40]
        assert problem(site.http.patch("/api/v1/cameras/door", json=zone), 409)["field"] == "revision"
        assert wait_for(lambda: site.get("/api/v1/events?kind=zone_enter").json()["events"])
        assert site.get("/api/v1/counts").json()["cameras"]["door"]["mat"]["total"] >= 1

        assert site.http.post("/api/v1/cameras/door/pause").json()["state"] == "paused"
        assert site.http.post("/api/v1/cameras/door/resume").status_code == 200
        text = site.file.read_text()
        assert "# where people come in" in text
        content = yaml.safe_load(text)
        assert [camera["name"] for camera in content["cameras"]] == ["door", "hall"]
        assert content["cameras"][0]["zones"]["mat"][0] == [10, 40]
        assert content["cameras"][1]["url"] == "rtsp://me:secret@127.0.0.1:9/x"
        assert "secret" not in site.get("/api/v1/config").text

        assert site.http.delete("/api/v1/cameras/hall").status_code == 204
        problem(site.get("/api/v1/cameras/hall"), 404)
        assert "hall" not in site.file.read_text()


def test_people_are_named_watched_and_forgotten(tmp_path: Path) -> None:
    with served(tmp_path) as site:
        person = settled(site)["identity"]
        named = site.http.patch(f"/api/v1/people/{person}", json={"name": "Ada", "watched": True}).json()
        assert (named["name"], named["watched"]) == ("Ada", True)
        assert "Ada" in site.get("/people").text
        begun = site.http.delete(f"/api/v1/people/{person}")
        assert begun.status_code == 202
        problem(site.get(f"/api/v1/people/{person}"), 404)
        where = f"/api/v1/forgetting/{begun.json()['request']}"
        assert wait_for(lambda: site.get(where).json()["state"] == "done")
        assert site.get("/api/v1/forgetting").json() == {"forgetting": []}
        problem(site.get("/api/v1/forgetting/99"), 404)
        actions = [entry["action"] for entry in site.get("/api/v1/audit").json()["entries"]]
        assert actions[:3] == ["forgotten everywhere", "person forgotten", "person described"]
    with closing(sqlite3.connect(tmp_path / "site" / "site.sqlite")) as database, database:
        rows = database.execute("SELECT count(*) FROM sightings WHERE identity = ?", (person,)).fetchone()
    assert rows[0] == 0
    with IdentityStore(tmp_path / "site" / "identities.sqlite") as known:
        assert person not in [one.identity for one in known.identities()]


def test_the_site_knows_people_and_events_after_a_restart(tmp_path: Path) -> None:
    with served(tmp_path) as site:
        person = settled(site)["identity"]
        site.http.patch(f"/api/v1/people/{person}", json={"name": "Ada"})
        newest = site.get("/api/v1/events").json()["events"][0]["id"]
    with served(tmp_path) as site:
        found = [one for one in site.get("/api/v1/people").json()["people"] if one["name"] == "Ada"]
        assert len(found) == 1, "a correction may have changed the number; the name goes with the person"
        assert found[0]["picture"] is not None
        assert site.site.events.newest() >= newest


def test_a_name_goes_with_the_person_when_the_number_is_corrected(tmp_path: Path) -> None:
    store = SiteStore(tmp_path / "site.sqlite")
    people = People(store)
    frame = FrameInfo("door", 1, 0.0, (160, 120), epoch=1e9)
    box, score = np.array([[10, 10, 40, 90]], np.float32), np.ones(1, np.float32)
    people.write(Step.of([FrameTracks(frame, np.array([7]), np.array([3]), box, score)]))
    people.describe(3, name="Ada", watched=True)
    people.write(Step(1.0, revisions=(Revision("merge", 3, 1, "door", 7, 1.0),)))
    found = people.people()
    assert [(one.identity, one.name, one.watched) for one in found] == [(1, "Ada", True)]
    people.close()
    store.close()


def test_a_service_seeks_cameras_on_and_writes_files_only_where_asked() -> None:
    from relaytrack.pipeline.config.loading import load_config

    plain = running(load_config(data={}))
    assert plain.identities.return_ratio == 0.3, "at a site people come back"
    assert running(load_config(data={"identities": {"return_ratio": 0.01}})).identities.return_ratio == 0.01
    assert plain.output.dir is None
    assert plain.output.store is not None
    assert plain.input.on_start_failure == "retry"
    kept = running(load_config(data={"output": {"dir": "out/mine"}}))
    assert kept.output.dir is not None
    assert kept.output.dir.startswith("out/mine/")


def test_unsent_events_of_a_service_wait_where_the_next_start_finds_them() -> None:
    from relaytrack.pipeline.config.loading import load_config

    sinks = [
        {"name": "mqtt", "options": {"host": "h"}},
        {"name": "webhook", "options": {"url": "http://h/", "spool": "w"}},
    ]
    config = running(load_config(data={"sinks": sinks, "server": {"dir": "here"}, "output": {"dir": "out/mine"}}))
    assert [sink.options["spool"] for sink in config.sinks] == ["here/spool/mqtt.db", "w"]


def test_an_error_of_a_page_is_a_page(tmp_path: Path) -> None:
    """Fault: who opened the address of a person who is gone saw JSON in the browser, and no way back."""
    browser = {"accept": "text/html,*/*;q=0.8"}
    with served(tmp_path) as site:
        for path, code, said, back in (
            ("/people/99", 404, "there is no person 99", "/people"),
            ("/cameras/nobody", 404, "there is no camera of that name", "/cameras"),
            ("/events?hours=x", 422, "hours: ", "/events"),
            ("/people/%3Cscript%3E", 422, "identity: ", "/people"),
            ("/nothing/%3Cb%3E", 404, "there is nothing at this address", "/"),
        ):
            page = site.get(path, headers=browser)
            assert page.status_code == code
            assert page.headers["content-type"].startswith("text/html")
            assert said in page.text
            assert f'href="{back}"' in page.text
            assert "<script>" not in page.text
            problem(site.get(path), code)
        problem(site.get("/api/v1/people/99", headers=browser), 404)
        answer = site.http.post("/people", headers=browser)
        assert problem(answer, 405)["detail"] == "this address cannot be used so"


def test_text_that_is_typed_in_becomes_a_single_line(tmp_path: Path) -> None:
    """Fault: a mark that turns the direction turned all that followed on the page; a name could have lines."""
    assert typed_line(" a\u202e b\n\tc\x00\u2066\ufeff") == "a b c"
    kept = "\U0001f469\u200d\U0001f467 Ada O'Hara \u05e9\u05dc\u05d5\u05dd"
    assert typed_line(kept) == kept
    with served(tmp_path) as site:
        person = settled(site)["identity"]
        named = site.http.patch(f"/api/v1/people/{person}", json={"name": "Ada\u202e\n<b>"}).json()
        assert named["name"] == "Ada <b>"
        assert "Ada &lt;b&gt;" in site.get(f"/people/{person}").text
        zones = {"by the\u202e\ndoor": [[1, 1], [50, 1], [50, 50]]}
        camera = site.http.patch("/api/v1/cameras/door", json={"title": "\u2067Tor\r\n3", "zones": zones}).json()
        assert camera["title"] == "Tor 3"
        assert list(camera["zones"]) == ["by the door"]
