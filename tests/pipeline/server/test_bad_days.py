"""A full disk and a clock that is set back: the run goes on, says so, and is whole again afterwards."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from relaytrack.pipeline.server import store
from relaytrack.trackers import TrackerError
from tests.support.sites import Served, served, settled
from tests.support.world import wait_for


class _FullDisk(sqlite3.Connection):
    """Fails as SQLite does on a full disk, while `full` is set."""

    full = False

    def execute(self, sql: str, *values: object) -> sqlite3.Cursor:
        if _FullDisk.full and sql.lstrip().startswith(("INSERT", "UPDATE", "DELETE")):
            raise sqlite3.OperationalError("database or disk is full")
        return super().execute(sql, *values)

    def executemany(self, sql: str, *values: object) -> sqlite3.Cursor:
        if _FullDisk.full:
            raise sqlite3.OperationalError("database or disk is full")
        return super().executemany(sql, *values)


def numbers(site: Served) -> list[int]:
    return [event["id"] for event in site.get("/api/v1/events?limit=1000").json()["events"]]


def receivers(site: Served) -> dict[str, dict[str, object]]:
    return dict(site.get("/api/v1/status").json()["receivers"])


def test_a_full_disk_stops_nothing_and_is_over_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = sqlite3.connect

    def connect(path: Path, **named: Any) -> sqlite3.Connection:
        mine = Path(path).name == "site.sqlite"
        return original(path, **named, **({"factory": _FullDisk} if mine else {}))

    monkeypatch.setattr(store.sqlite3, "connect", connect)
    with served(tmp_path, fps=10.0) as site:
        person = settled(site)["identity"]
        monkeypatch.setattr(_FullDisk, "full", True)
        assert wait_for(lambda: "disk is full" in str(receivers(site)["site-people"]["error"]))
        frames = site.get("/api/v1/cameras/door").json()["frames"]
        assert wait_for(lambda: site.get("/api/v1/cameras/door").json()["frames"] > frames + 10), "tracking goes on"
        assert "disk is full" in site.get("/system").text, "the page says so"
        assert site.get(f"/api/v1/people/{person}").status_code == 200
        assert site.http.patch(f"/api/v1/people/{person}", json={"name": "Eve"}).status_code == 409
        monkeypatch.setattr(_FullDisk, "full", False)
        assert wait_for(lambda: receivers(site)["site-people"]["error"] is None, 40), "it is tried again"
        assert receivers(site)["site-people"]["state"] == "running"
        assert site.http.patch(f"/api/v1/people/{person}", json={"name": "Eve"}).status_code == 200


def test_a_clock_set_back_by_an_hour_disturbs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(tmp_path, fps=10.0) as site:
        settled(site)
        assert wait_for(lambda: numbers(site))
        before, frames = numbers(site), site.get("/api/v1/cameras/door").json()["frames"]
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() - 3600.0)
        site.site.events.add([{"event": "enter", "camera": "door", "identity": 1}])
        after = numbers(site)
        assert after[0] > before[0], "the newest event comes first, whatever the clock says"
        assert wait_for(lambda: site.get("/api/v1/cameras/door").json()["frames"] > frames + 10)
        status = site.get("/api/v1/status").json()
        assert status["state"] == "running"
        assert status["uptime"] >= 0
        assert site.get("/api/v1/cameras/door").json()["age_p95_ms"] < 20_000, "ages come from a clock that only grows"
        with site.http.stream("GET", f"/api/v1/events/stream?after={before[0]}") as stream:
            assert any(f"id: {before[0] + 1}" in line for line in stream.iter_lines())
        for path in ("/", "/people", "/events", "/system"):
            assert site.get(path).status_code == 200


def test_a_clock_set_far_ahead_deletes_nothing_and_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault: what was a minute old counted as older than `retain_days`, and was erased without a word."""
    with served(tmp_path, fps=10.0) as site:
        settled(site)
        assert wait_for(lambda: numbers(site))
        inside, before = site.site, numbers(site)
        files = [path for path in inside.folder.rglob("*.mp4")]
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() + 7200.0)
        inside.events.retain = inside.recordings.retain = 3600.0
        inside.events._swept = -1e9
        inside.recordings.sweep()
        assert wait_for(lambda: inside.events._swept > 0)
        assert wait_for(lambda: "clock_set" in site.get("/api/v1/events?limit=1000").text, 20)
        assert set(before) <= set(numbers(site))
        assert all(path.exists() for path in files)
        assert site.get("/api/v1/status").json()["clock_ahead"] == pytest.approx(7200, abs=5)


def test_a_site_whose_tracker_failed_is_closed_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault: an error that is no RelayTrackError came out of `close`, and the site's folder stayed locked."""
    with served(tmp_path) as site:
        join = site.site.pipeline.join

        def fail(timeout: float | None = None) -> None:
            join(timeout)
            raise TrackerError("wrong shape")

        monkeypatch.setattr(site.site.pipeline, "join", fail)
    with served(tmp_path) as site:
        assert site.get("/ready").status_code in (200, 503)
