"""A site that is served while two machines of a Ray cluster follow its cameras: pages, API, pictures, people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cluster_served import served_on_cluster, walking_camera
from tests.support.sites import Served, settled
from tests.support.world import wait_for

pytestmark = [pytest.mark.needs("ray"), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, make_video: Callable[..., Path], ray_cluster: Any
) -> Iterator[Served]:
    """Two cameras, each followed by a program of its own."""
    folder = tmp_path_factory.mktemp("served")
    cameras = [walking_camera(name, make_video, folder) for name in ("door", "yard")]
    with served_on_cluster(folder, cameras, cluster__nodes=2) as running:
        yield running


def camera_of(site: Served, name: str) -> dict[str, Any]:
    """A camera as the API tells of it."""
    return dict(site.get(f"/api/v1/cameras/{name}").json())


def test_the_page_and_the_api_show_the_cameras_of_all_machines(site: Served) -> None:
    assert wait_for(lambda: all(camera_of(site, name)["state"] == "running" for name in ("door", "yard")), 60)
    assert wait_for(lambda: all(camera_of(site, name)["frames"] > 10 for name in ("door", "yard")), 60)
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
        return len(seen) == 2

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
    assert "Machine" in system
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
