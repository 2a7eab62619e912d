"""The site's file: comments and edits by hand stay, earlier versions are kept, nothing wrong is ever written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from relaytrack.pipeline.config.loading import load_config
from relaytrack.pipeline.errors import ConfigError
from relaytrack.pipeline.server.site_file import KEPT, SiteFile
from tests.support.sites import Served, served

TEXT = """\
# our shop
cameras:
- name: door   # the front
  url: 'rtsp://me:secret@10.0.0.5/x'
- rtsp://10.0.0.6/y   # has no name
output:
  trail: 3.0   # seconds
"""


@pytest.fixture
def file(tmp_path: Path) -> SiteFile:
    path = tmp_path / "site.yaml"
    path.write_text(TEXT)
    path.chmod(0o640)
    return SiteFile(path, tmp_path / "history")


def test_only_what_was_changed_is_changed(file: SiteFile) -> None:
    file.put_camera("door", {"zones": {"mat": [[0, 0], [9, 0], [9, 9]]}})
    text = file.path.read_text()
    kept = [line for line in TEXT.splitlines() if line not in text.splitlines()]
    assert not kept, "every old line is there as it was"
    assert "mat: [[0, 0], [9, 0], [9, 9]]" in text
    assert file.path.stat().st_mode & 0o777 == 0o640
    file.put_camera("door", {"zones": {}})
    assert file.path.read_text() == TEXT


def test_a_camera_without_a_name_is_found_by_the_one_that_it_gets(file: SiteFile) -> None:
    name = load_config(file.path).cameras[1].name
    file.put_camera(name, {"max_fps": 5.0})
    content = yaml.safe_load(file.path.read_text())
    assert content["cameras"][1] == {"name": name, "url": "rtsp://10.0.0.6/y", "max_fps": 5.0}
    file.remove_camera(name)
    assert [camera.name for camera in load_config(file.path).cameras] == ["door"]


def test_a_new_file_is_private(tmp_path: Path) -> None:
    file = SiteFile(tmp_path / "deep" / "site.yaml", tmp_path / "history")
    file.put_camera("hall", {"url": "rtsp://me:secret@10.0.0.7/z"})
    assert file.path.stat().st_mode & 0o077 == 0
    assert load_config(file.path).cameras[0].name == "hall"


def test_a_clock_that_was_set_back_costs_no_version(file: SiteFile) -> None:
    """Fault: versions of before counted as newer, and the one just kept was deleted as the oldest."""
    folder = file.path.parent / "history"
    folder.mkdir()
    for number in range(KEPT):
        (folder / f"29991231T235959.{number:06}.yaml").write_text("events: {}\n")
    (folder / "mine.yaml").write_text("# not ours\n")
    file.set("events.dwell", 7.0)
    file.set("events.dwell", 8.0)
    assert len(file.history()) == KEPT
    newest = [yaml.safe_load((folder / name).read_text()) for name in file.history()[:2]]
    assert newest[0]["events"]["dwell"] == 7.0
    assert "events" not in newest[1] or newest[1]["events"] != newest[0]["events"]
    assert (folder / "mine.yaml").exists()


def test_text_stays_text(file: SiteFile) -> None:
    """Fault: a zone `on` or a title `12:30` was written so that it is read as something else, and refused."""
    names = ["on", "no", "null", "~", "12:30", "1_000", "1.0", "2001-01-01", "- x", "a: b # c", "&a", "<<", "="]
    zones = {name: [[1, 1], [50, 1], [50, 50]] for name in names}
    for title in ("yes", "Off", "12:30", "0x1f", "1e3", "null"):
        file.put_camera("no", {"url": "rtsp://10.0.0.7/z", "title": title, "zones": zones})
        camera = next(one for one in load_config(file.path).cameras if one.name == "no")
        assert camera.title == title
        assert list(camera.zones) == names
    file.remove_camera("no")


def test_the_last_versions_are_kept(file: SiteFile) -> None:
    for number in range(1, KEPT + 6):
        file.set("events.dwell", float(number))
    assert len(file.history()) == KEPT
    folder = file.path.parent / "history"
    newest = yaml.safe_load((folder / file.history()[0]).read_text())
    assert newest["events"]["dwell"] == KEPT + 4
    assert all((folder / name).stat().st_mode & 0o077 == 0 for name in file.history())


def test_what_does_not_fit_is_not_written(file: SiteFile) -> None:
    with pytest.raises(ConfigError, match="does not fit"):
        file.set("events.dwell", -1)
    with pytest.raises(ConfigError, match="does not fit"):
        file.set("events.dwel", 1)
    assert file.path.read_text() == TEXT
    assert not file.history()
    file.path.write_text("cameras: [")
    with pytest.raises(ConfigError, match="not valid YAML"):
        file.set("events.dwell", 5)
    assert os.listdir(file.path.parent) == ["site.yaml"]


def test_edits_by_hand_in_between_stay(file: SiteFile) -> None:
    file.set("events.dwell", 5.0)
    file.path.write_text(file.path.read_text() + "sync: {max_wait: 0.2}  # mine\n")
    file.set("events.dwell", 6.0)
    assert "# mine" in file.path.read_text()


def test_settings_are_changed_over_the_api(tmp_path: Path) -> None:
    with served(tmp_path) as site:
        answer = site.http.put("/api/v1/config/events.dwell", json={"value": 4.5})
        assert answer.json() == {"key": "events.dwell", "value": 4.5, "holds": "at once"}
        assert load_config(site.file).events.dwell == 4.5
        _refused(site, "events.dwell", -1)
        for key in ("server.host", "server.dir", "detector.backend", "output.dir", "cameras", "events.dwell.x"):
            _refused(site, key, "x")


def _refused(site: Served, key: str, value: object) -> None:
    before = site.file.read_text()
    answer = site.http.put(f"/api/v1/config/{key}", json={"value": value})
    assert answer.status_code == 422
    assert answer.json()["field"] == "value" if key == "events.dwell" else answer.json()["field"] == "key"
    assert site.file.read_text() == before
