"""A site that is served while two machines of a Ray cluster follow its cameras: pages, API, pictures, people."""

from __future__ import annotations

import io
import os
import signal
import struct
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import av
import cv2
import numpy as np
import pytest
from websockets.sync.client import ClientConnection, connect

from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.errors import ConfigError
from tests.support.cluster_served import served_on_cluster, walking_camera
from tests.support.sites import Served, settled
from tests.support.world import wait_for

pytestmark = [pytest.mark.needs("ray"), pytest.mark.timeout(600)]
CAMERAS = ("door", "yard", "hall")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, ray_cluster: Any) -> Iterator[Served]:
    """Two cameras, each followed by a program of its own."""
    folder = tmp_path_factory.mktemp("served")
    cameras = [walking_camera(name, folder) for name in CAMERAS]
    with served_on_cluster(folder, cameras, cluster__nodes=2, output__dir=str(folder / "recordings")) as running:
        yield running


def camera_of(site: Served, name: str) -> dict[str, Any]:
    """A camera as the API tells of it."""
    return dict(site.get(f"/api/v1/cameras/{name}").json())


def test_the_page_and_the_api_show_the_cameras_of_all_machines(site: Served) -> None:
    assert wait_for(lambda: all(camera_of(site, name)["state"] == "running" for name in CAMERAS), 60)
    assert wait_for(lambda: all(camera_of(site, name)["frames"] > 10 for name in CAMERAS), 60)
    door, yard = camera_of(site, "door"), camera_of(site, "yard")
    assert door["rate"] > 0
    assert door["age_p50_ms"] is not None
    assert {door["node"].split(" on ")[0], yard["node"].split(" on ")[0]} == {"node1", "node2"}
    person = settled(site)
    assert site.get(f"/api/v1/pictures/{person['picture']}.jpg").content[:2] == b"\xff\xd8"
    seen: dict[str, Any] = {}

    def boxes() -> bool:
        found = {one["camera"]: one["people"] for one in site.get("/api/v1/tracks").json()["cameras"]}
        seen.update({name: people for name, people in found.items() if people})
        return len(seen) == len(CAMERAS)

    assert wait_for(boxes, 60)
    left, top, right, bottom = seen["door"][0]["box"]
    assert (right - left, bottom - top) == (pytest.approx(30, abs=6), pytest.approx(70, abs=6))
    assert seen["door"][0]["identity"] > 0
    events = [one["event"] for one in site.get("/api/v1/events").json()["events"]]
    assert {"identity", "enter"} <= set(events)
    assert site.get("/ready").status_code == 200
    figures = site.get("/metrics").text
    assert 'relaytrack_frames_total{camera="yard"}' in figures
    assert 'relaytrack_stage_items_total{stage="detect"}' in figures
    system = site.get("/system").text
    assert door["node"] in system
    status = site.get("/api/v1/status").json()
    assert status["state"] == "running"
    assert [name for name in status["receivers"] if name.startswith("steps of program")]
    assert sum(one["dropped"] for one in status["receivers"].values()) == 0


def test_somebody_whom_both_machines_see_is_told_to_be_new_once(site: Served) -> None:
    settled(site)
    told = [one["identity"] for one in site.get("/api/v1/events?kind=identity").json()["events"]]
    assert told
    assert len(told) == len(set(told))


def look(site: Served, name: str, codec: str) -> ClientConnection:
    """Look at a camera."""
    return connect(f"{site.url.replace('http', 'ws')}/api/v1/cameras/{name}/live?codec={codec}", close_timeout=0.3)


def pieces_of(socket: ClientConnection, count: int) -> list[bytes]:
    """The next binary messages, with their 8 bytes of time."""
    found: list[bytes] = []
    while len(found) < count:
        message = socket.recv(timeout=20)
        if isinstance(message, bytes):
            found.append(message)
    return found


def test_pictures_come_from_the_cameras_machine(site: Served) -> None:
    with look(site, "yard", "jpeg") as socket:
        first, second = pieces_of(socket, 2)
        image = cv2.imdecode(np.frombuffer(second[8:], np.uint8), cv2.IMREAD_COLOR)
        assert image.shape == (120, 160, 3)
        assert 0 < struct.unpack(">d", second[:8])[0] - struct.unpack(">d", first[:8])[0] < 5
        assert camera_of(site, "yard")["viewers"] == 1
    with look(site, "door", "h264") as one:
        whole = [message[8:] for message in pieces_of(one, 6)]
        with look(site, "door", "h264") as two:  # begins with the header and, within a second, a key frame
            late = [message[8:] for message in pieces_of(two, 4)]
    for pieces in (whole, late):
        with av.open(io.BytesIO(b"".join(pieces))) as container:
            frames = list(container.decode(video=0))
        assert frames[0].key_frame
        assert (frames[0].width, frames[0].height) == (160, 120)
    assert wait_for(lambda: not site.site.live.viewers())
    time.sleep(1.0)
    before = site.site.live.encoded
    time.sleep(1.0)
    assert site.site.live.encoded == before, "nothing is encoded while nobody looks"


def test_recordings_are_played_from_the_cameras_machine(site: Served) -> None:
    moment = settled(site)["last"] - 2.0
    asked = f"/api/v1/recordings/moment?camera=yard&at={moment}"
    assert wait_for(lambda: site.get(asked).status_code == 200, 60), site.get(asked).text
    found = site.get(asked).json()
    assert found["start"] <= moment <= found["end"] + 1.0
    clip = site.get(found["clip"]).content
    with av.open(io.BytesIO(clip)) as container:
        assert sum(1 for _ in container.decode(video=0)) > 3
    part = site.get(found["clip"], headers={"range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, b"ftyp")
    whole = site.get(found["video"], headers={"range": "bytes=0-99999999"})
    assert whole.status_code == 206
    assert whole.content[4:8] == b"ftyp"
    assert site.get(found["video"].replace("yard", "none")).status_code == 404
    listed = site.get("/api/v1/recordings?camera=yard").json()["recordings"]
    assert any(one["video"] == found["video"] and one["writing"] and one["bytes"] > 0 for one in listed)
    runs = site.get("/api/v1/runs").json()
    assert runs["recording"]
    assert sorted(camera for run in runs["runs"] for camera in run["cameras"]) == sorted(CAMERAS)
    assert site.get("/api/v1/status").json()["recording"] == {"state": "on", "error": None}
    gone = site.get("/api/v1/recordings/moment?camera=yard&at=1000")
    assert gone.status_code == 404
    assert "nothing of camera yard was recorded" in gone.json()["detail"]


def detail(site: Served, name: str) -> float:
    """How much detail a camera's plain pictures have where its person walks."""
    found = []
    for _ in range(5):
        data = site.get(f"/api/v1/cameras/{name}/snapshot.jpg?drawn=false").content
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
        found.append(float(np.abs(cv2.Laplacian(image[24:86, 24:124].astype(np.float32), cv2.CV_32F)).mean()))
    return float(np.median(found))


def test_single_pictures_and_settings_reach_every_machine(site: Served) -> None:
    drawn = site.get("/api/v1/cameras/yard/snapshot.jpg").content
    assert cv2.imdecode(np.frombuffer(drawn, np.uint8), cv2.IMREAD_COLOR).shape == (120, 160, 3)
    before = {name: detail(site, name) for name in CAMERAS}
    set_hiding = partial(site.http.put, "/api/v1/config/output.anonymise")
    assert set_hiding(json={"value": "persons"}).json()["holds"] == "at once"
    try:
        time.sleep(0.5)
        after = {name: detail(site, name) for name in before}
        assert all(after[name] < 0.85 * before[name] for name in before), (before, after)
    finally:
        assert set_hiding(json={"value": None}).status_code == 200
    stability = site.http.put("/api/v1/config/identities.stability", json={"value": 2.5})
    assert stability.json()["holds"] == "after the next start", "the association of a cluster takes it at its start"


def test_a_picture_is_searched_for(site: Served) -> None:
    engine: Any = site.site.pipeline
    engine.config = engine.config.model_copy(update={"detector": Config().detector})  # a file knows no other pictures
    person = settled(site)
    picture = site.get(f"/api/v1/pictures/{person['picture']}.jpg").content
    found = site.http.post("/api/v1/search", content=picture, headers={"content-type": "image/jpeg"}, timeout=60)
    assert found.status_code == 200, found.text
    matches = found.json()["matches"]
    assert person["picture"] in {one["id"] for one in matches}
    assert [one["similarity"] for one in matches] == sorted((one["similarity"] for one in matches), reverse=True)


def shown(site: Served) -> dict[str, int]:
    """Who is in each camera's last frame; there is nobody else than one person."""
    cameras = site.get("/api/v1/tracks").json()["cameras"]
    return {one["camera"]: one["people"][0]["identity"] for one in cameras if one["people"]}


def test_what_operators_say_of_people_reaches_every_machine(site: Served) -> None:
    assert wait_for(lambda: len(set(shown(site).values())) == 1 and len(shown(site)) == 3, 60), "one person in all"
    person = shown(site)["door"]
    sightings = site.get(f"/api/v1/people/{person}").json()["sightings"]
    yard = [one["id"] for one in sightings if one["camera"] == "yard"]
    new = site.http.post(f"/api/v1/people/{person}/split", json={"sightings": yard}).json()["identity"]
    assert new > 100_000
    assert {one["camera"] for one in site.get(f"/api/v1/people/{person}").json()["sightings"]} >= {"door"}
    site.http.patch(f"/api/v1/people/{new}", json={"name": "Ada", "watched": True})
    assert site.http.post(f"/api/v1/people/{new}/merge", json={"other": person}).status_code == 200
    assert wait_for(lambda: shown(site) == dict.fromkeys(CAMERAS, new), 60), "both machines follow"
    assert site.get(f"/api/v1/people/{person}").status_code == 404
    described = site.get(f"/api/v1/people/{new}").json()
    assert (described["name"], described["watched"]) == ("Ada", True)

    assert site.http.delete(f"/api/v1/people/{new}").status_code in (202, 204)
    assert wait_for(lambda: site.get(f"/api/v1/people/{new}").status_code == 404)
    assert wait_for(lambda: len(shown(site)) == 3 and not {new, person} & set(shown(site).values()), 60), "somebody new"
    assert {one["identity"] for one in site.get("/api/v1/people").json()["people"]}.isdisjoint({new, person})


def test_cameras_change_go_and_come_while_it_runs(site: Served) -> None:
    (hall,) = (camera for camera in site.site.pipeline.cameras if camera.name == "hall")
    before = camera_of(site, "door")["frames"]
    with pytest.raises(ConfigError, match="there is a camera 'hall' already"):
        site.site.pipeline.add_camera(hall)
    with pytest.raises(ConfigError, match="'film': serve --cluster follows live cameras only"):
        site.site.pipeline.add_camera(hall.model_copy(update={"name": "film", "live": None}))
    assert wait_for(lambda: "hall" in shown(site), 60)
    tracks = {one["track"] for one in site.get("/api/v1/cameras/hall/tracks").json()["people"]}
    corners = [[0, 0], [160, 0], [160, 120], [0, 120]]
    changed = site.http.patch("/api/v1/cameras/hall", json={"zones": {"mat": corners}, "title": "Hall"})
    assert changed.json()["title"] == "Hall"
    assert wait_for(lambda: site.get("/api/v1/events?kind=zone_enter&camera=hall").json()["events"], 60)
    assert wait_for(lambda: "mat" in camera_of(site, "hall")["counts"])
    assert site.http.post("/api/v1/cameras/hall/pause").status_code == 200
    assert wait_for(lambda: camera_of(site, "hall")["state"] == "paused")
    assert site.http.post("/api/v1/cameras/hall/resume").status_code == 200
    frames = camera_of(site, "hall")["frames"]
    assert wait_for(lambda: camera_of(site, "hall")["frames"] > frames + 3, 60)
    assert site.http.delete("/api/v1/cameras/hall").status_code == 204
    assert site.get("/api/v1/cameras/hall").status_code == 404
    assert wait_for(lambda: "hall" not in shown(site))
    assert site.site.pipeline.add_camera(hall) == "hall"
    assert wait_for(lambda: "hall" in shown(site), 60)
    again = {one["track"] for one in site.get("/api/v1/cameras/hall/tracks").json()["people"]}
    assert not tracks & again, "a camera that comes again has new tracks"
    site.site.pipeline.remove_camera("hall")
    assert camera_of(site, "door")["frames"] > before, "the others went on"

    site.site.pipeline.remove_camera("yard")  # the last one of its program, which begins new work
    site.site.pipeline.add_camera(hall)
    assert wait_for(lambda: str(camera_of(site, "hall").get("node")).startswith("node3"), 60)
    assert wait_for(lambda: "hall" in shown(site), 60)
    assert camera_of(site, "door")["state"] == "running"


def test_cameras_of_a_lost_program_are_followed_by_another_and_shown_again(site: Served) -> None:
    import ray

    engine: Any = site.site.pipeline
    lost = engine._run.crew.members[0]
    names = [name for _, group in lost.groups() for name in group]
    assert names
    before = {name: camera_of(site, name)["node"] for name in names}
    pid = ray.get(lost.actor.__ray_call__.remote(lambda _: os.getpid()))
    os.kill(pid, signal.SIGKILL)
    assert wait_for(lambda: all(camera_of(site, name).get("node") not in (None, before[name]) for name in names), 60)
    assert wait_for(lambda: all(camera_of(site, name).get("frames", 0) > 3 for name in names), 60)
    with look(site, names[0], "jpeg") as socket:
        assert len(pieces_of(socket, 2)) == 2
    assert site.get("/ready").status_code == 200
