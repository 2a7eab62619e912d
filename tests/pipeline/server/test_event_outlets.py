"""Events as tables, over a WebSocket, and counted over time."""

from __future__ import annotations

import csv
import io
import json
import time
from pathlib import Path

import pytest
from websockets.sync.client import connect

from relaytrack.pipeline.server.count_history import count_history
from relaytrack.pipeline.server.event_log import EventLog
from relaytrack.pipeline.server.store import SiteStore
from tests.support.sites import Served, served, socket_refusal


def crossing(direction: str) -> dict[str, object]:
    base = {"event": "line_cross", "time": 1.0, "camera": "door", "track": 1, "identity": 1}
    return {**base, "line": "gate", "direction": direction, "forward": 1, "backward": 0}


def entering(number: int) -> dict[str, object]:
    base = {"event": "zone_enter", "time": 1.0, "camera": "door", "track": number, "identity": number}
    return {**base, "zone": "=mat", "inside": 1, "total": number}


def test_counts_over_time_of_zones_and_lines(tmp_path: Path) -> None:
    store = SiteStore(tmp_path / "site.sqlite")
    log = EventLog(store)
    log.add([crossing("forward"), crossing("forward"), crossing("backward"), entering(1)])
    with store.writing() as database:
        database.execute("UPDATE events SET epoch = 1000 + 100 * id")  # at 1100, 1200, 1300 and 1400
    zone, line = sorted(count_history(store, 1050.0, 1450.0, 100.0), key=lambda one: one.kind, reverse=True)
    assert (zone.name, zone.counts) == ("=mat", {"entered": [0, 0, 0, 1]})
    assert line.counts == {"forward": [1, 1, 0, 0], "backward": [0, 0, 1, 0]}
    assert line.most == 1
    assert count_history(store, 5000.0, 6000.0, 10.0) == []
    for since, until, step in ((0.0, 1.0, 0.0), (2.0, 1.0, 1.0), (0.0, 1e9, 1.0)):
        with pytest.raises(ValueError, match="step"):
            count_history(store, since, until, step)
    store.close()


def test_tables_and_lines_are_filtered_alike(tmp_path: Path) -> None:
    with served(tmp_path, fps=0.01) as site:
        site.site.events.add([crossing("forward"), entering(1), {**entering(2), "camera": "gate"}])
        rows = list(csv.DictReader(io.StringIO(site.get("/api/v1/events/export.csv?kind=zone_enter").text)))
        assert [(row["camera"], row["zone"], row["total"]) for row in rows] == [
            ("door", "'=mat", "1"),
            ("gate", "'=mat", "2"),
        ]
        assert len(list(csv.DictReader(io.StringIO(site.get("/api/v1/events/export.csv?camera=gate").text)))) == 1
        lines = site.get("/api/v1/events/export.jsonl?camera=gate&kind=").text.splitlines()
        assert [json.loads(line)["zone"] for line in lines] == ["=mat"]
        now = time.time()
        found = site.get(f"/api/v1/counts/history?since={now - 600}&until={now + 60}&step=60").json()
        assert {one["name"]: sum(map(sum, one["counts"].values())) for one in found["counts"]} == {"gate": 1, "=mat": 1}
        assert site.get("/api/v1/counts/history?step=1").json()["field"] == "step"
        page = site.get("/events").text
        assert "1 forward, 0 backward" in page
        assert page.count('class="panel chart"') == 3


def look(site: Served, path: str = "/api/v1/events/socket") -> object:
    return connect(site.url.replace("http", "ws") + path, close_timeout=0.3)


def test_events_over_a_socket_go_on_where_a_reader_stopped(tmp_path: Path) -> None:
    with served(tmp_path, fps=0.01) as site:
        with look(site) as socket:  # type: ignore[attr-defined]
            assert json.loads(socket.recv(timeout=10))["type"] == "hello"
            site.site.events.add([entering(number) for number in range(1, 6)])
            got = [json.loads(socket.recv(timeout=10)) for _ in range(5)]
        assert [message["event"]["identity"] for message in got] == [1, 2, 3, 4, 5]
        known = got[2]["event"]["id"]
        with look(site, f"/api/v1/events/socket?since={known}") as socket:  # type: ignore[attr-defined]
            socket.recv(timeout=10)
            assert json.loads(socket.recv(timeout=10))["event"]["identity"] == 4
        with site.site.store.writing() as database:
            database.execute("DELETE FROM events WHERE id <= ?", (known,))
        with look(site, "/api/v1/events/socket?since=0") as socket:  # type: ignore[attr-defined]
            socket.recv(timeout=10)
            gap = json.loads(socket.recv(timeout=10))
        assert gap == {"type": "gap", "after": 0, "oldest": known + 1}
        assert socket_refusal(site, "/api/v1/events/socket?since=x") == 403


def test_strangers_get_no_events(tmp_path: Path) -> None:
    with served(tmp_path, users={"root": "admin"}) as site:
        assert socket_refusal(site, "/api/v1/events/socket") != 101
