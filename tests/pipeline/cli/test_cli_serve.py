"""`relaytrack serve` as a process: it says where it is, answers, and ends within five seconds of a signal."""

from __future__ import annotations

import json
import logging
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import av
import httpx
import pytest

from relaytrack.pipeline.cli.main import main
from relaytrack.pipeline.server.recent_log import RecentLog
from tests.support.serving import serving
from tests.support.world import wait_for

SAMPLES = Path(__file__).resolve().parents[3] / "samples"


def test_it_serves_without_a_file_and_ends_on_a_signal(tmp_path: Path) -> None:
    with serving("--dir", str(tmp_path / "s")) as server, httpx.Client(base_url=server.url, timeout=20) as client:
        assert client.get("/ready").text == "running\n"
        assert "No camera yet" in client.get("/").text
        added = client.post("/api/v1/cameras", json={"url": "rtsp://127.0.0.1:9/x", "name": "hall"})
        assert added.status_code == 201
        with client.stream("GET", "/api/v1/events/stream") as stream:
            next(stream.iter_lines())
            server.end()
    assert "name: hall" in (tmp_path / "s" / "site.yaml").read_text()


def test_signals_reload_the_cameras_and_leave_every_file_whole(tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    camera = "{{name: {0}, url: {1}, live: true, loop: true, max_fps: 5}}"
    west, east = (camera.format(name, SAMPLES / f"{name}.mp4") for name in ("west", "east"))
    output = f"output: {{dir: {tmp_path / 'out'}, segment_minutes: 0.05}}\n"
    site.write_text(f"cameras: [{west}]\n{output}")
    arguments = (str(site), "--dir", str(tmp_path / "s"), "--log-format", "json")
    with serving(*arguments) as server, httpx.Client(base_url=server.url, timeout=20) as client:

        def cameras() -> dict[str, Any]:
            return {one["name"]: one for one in client.get("/api/v1/cameras").json()["cameras"]}

        assert wait_for(lambda: cameras()["west"]["frames"] > 5, 60)
        site.write_text(f"cameras: [{west}, {east}]\n{output}")
        before = cameras()["west"]["frames"]
        server.process.send_signal(signal.SIGHUP)
        assert wait_for(lambda: "east" in cameras() and cameras()["east"]["frames"] > 5, 60)
        assert cameras()["west"]["frames"] > before, "it went on"
        assert cameras()["west"]["reconnects"] == 0
        server.end()
    entries = [json.loads(line) for line in server.lines]
    assert all(set(entry) >= {"date", "level", "logger", "message"} for entry in entries)
    assert any(entry["message"] == "cameras reloaded: added east" for entry in entries)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    videos = [path for path in written if path.suffix == ".mp4"]
    assert videos
    for path in videos:
        with av.open(str(path)) as video:
            assert sum(1 for _ in video.decode(video=0)) > 0, path
    for path in written:
        if path.suffix == ".jsonl":
            assert [json.loads(line) for line in path.read_text().splitlines()], path
        elif path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".sqlite":
            with closing(sqlite3.connect(path)) as database:
                assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert not [path for path in written if "partial" in path.name or path.name.endswith("-wal")]


def test_what_is_wrong_is_json_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "nothing.yaml", "--dir", str(tmp_path), "--log-format", "json"]) == 2
    entry = json.loads(capsys.readouterr().err)
    assert entry["level"] == "ERROR"
    assert "nothing.yaml" in entry["message"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nothing.yaml"], "nothing.yaml"),
        (["--port", "99999"], "server.port"),
        (["--set", "server.prot=1"], "did you mean 'port'"),
        (["--tls-cert", "a.pem"], "give both tls_cert and tls_key, or none"),
        (["--tls-cert", "a.pem", "--tls-key", "b.pem"], "there is no file a.pem"),
        (["--host", "203.0.113.7"], "there is no user yet"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    tmp_path: Path, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", *arguments, "--dir", str(tmp_path / "site")]) == 2
    error = capsys.readouterr().err.strip()
    assert says in error
    assert len(error.splitlines()) == 1
    assert not [one for one in logging.getLogger("relaytrack").handlers if isinstance(one, RecentLog)]
