"""SIGHUP: the cameras follow the site's file, and those that stay as they are do not notice."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import yaml

from relaytrack.pipeline.config.loading import load_config
from relaytrack.pipeline.server.reloading import reload_file
from tests.support.sites import Served, served
from tests.support.world import Keep, wait_for


def follow(site: Served) -> None:
    reload_file(site.site, lambda: load_config(site.file))


def write(site: Served, *cameras: dict[str, object]) -> None:
    site.file.write_text(yaml.safe_dump({"cameras": [{"name": "door", "url": "own:door"}, *cameras]}))


def names(site: Served) -> dict[str, dict[str, object]]:
    return {camera["name"]: camera for camera in site.get("/api/v1/cameras").json()["cameras"]}


def test_cameras_follow_the_file_and_the_others_lose_no_frame(tmp_path: Path) -> None:
    with served(tmp_path, fps=10.0) as site:
        seen = Keep()
        site.site.pipeline.add_sink(seen)
        assert wait_for(lambda: len(seen.frames("door")) > 5)
        write(site, {"name": "hall", "url": "rtsp://127.0.0.1:9/a"}, {"name": "yard", "url": "rtsp://127.0.0.1:9/b"})
        follow(site)
        assert set(names(site)) == {"door", "hall", "yard"}
        write(site, {"name": "hall", "url": "rtsp://127.0.0.1:9/a", "max_fps": 4.0})
        follow(site)
        found = names(site)
        assert set(found) == {"door", "hall"}
        assert found["hall"]["max_fps"] == 4.0
        last = seen.frames("door")[-1]
        assert wait_for(lambda: seen.frames("door")[-1] > last + 5)
        numbers = seen.frames("door")
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "no frame was lost"
        assert len(seen.ids("door")) == 1, "the person has kept the track"
        entry = site.site.audit.recent(1)[0]
        assert (entry["action"], entry["removed"], entry["changed"]) == ("cameras reloaded", ["yard"], ["hall"])


def test_zones_of_a_camera_change_without_a_new_connection(tmp_path: Path) -> None:
    with served(tmp_path, fps=10.0) as site:
        seen = Keep()
        site.site.pipeline.add_sink(seen)
        assert wait_for(lambda: len(seen.frames("door")) > 3)
        zone = {"mat": [[0, 0], [159, 0], [159, 119], [0, 119]]}
        site.file.write_text(yaml.safe_dump({"cameras": [{"name": "door", "url": "own:door", "zones": zone}]}))
        follow(site)
        assert wait_for(
            lambda: site.get("/api/v1/counts").json()["cameras"].get("door", {}).get("mat", {}).get("inside")
        )
        numbers = seen.frames("door")
        assert numbers == sorted(set(numbers))  # a new connection would count from 1; a busy machine drops some


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("cameras: [", "not valid YAML"),
        ("cameras: []\nserver: {prot: 1}\n", "did you mean 'port'"),
        (None, "is not there"),
    ],
)
def test_a_wrong_file_changes_nothing(
    tmp_path: Path, text: str | None, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    with served(tmp_path) as site:
        if text is None:
            site.file.unlink()
        else:
            site.file.write_text(text)
        follow(site)
        assert set(names(site)) == {"door"}
        assert says in caplog.text


def test_a_wrong_camera_leaves_the_others(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    secret = "hidden-word"
    with served(tmp_path) as site:
        write(site, {"name": "bad", "url": f"rtsp://me:{secret}@${{NOBODY_SET_THIS}}/x"})
        cameras = [{"name": "good", "url": "rtsp://127.0.0.1:9/a"}]
        content = yaml.safe_load(site.file.read_text())
        content["cameras"] += cameras
        site.file.write_text(yaml.safe_dump(content))
        follow(site)
        assert set(names(site)) == {"door", "good"}
        assert "camera bad" in caplog.text
        assert secret not in caplog.text


def test_other_settings_wait_for_the_next_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "relaytrack.server")
    with served(tmp_path) as site:
        site.file.write_text(site.file.read_text() + "tracker: {max_age: 3.0}\n")
        follow(site)
        assert "nothing has changed" in caplog.text
        assert "tracker" in caplog.text.split("hold after the next start")[0].rsplit("changes of", 1)[1]
