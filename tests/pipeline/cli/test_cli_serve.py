"""`relaytrack serve` as a process: it says where it is, answers, and ends within five seconds of a signal."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from relaytrack.pipeline.cli.main import main


def test_it_serves_without_a_file_and_ends_on_a_signal(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "relaytrack.pipeline.cli.main",
        "serve",
        "--port",
        "0",
        "--dir",
        str(tmp_path / "s"),
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert process.stderr is not None
    try:
        address = None
        while address is None:
            line = process.stderr.readline()
            assert line, "it ended"
            address = re.search(r"open (http://127\.0\.0\.1:\d+)/", line)
        with httpx.Client(base_url=address[1], timeout=20) as client:
            assert client.get("/ready").text == "running\n"
            assert "No camera yet" in client.get("/").text
            added = client.post("/api/v1/cameras", json={"url": "rtsp://127.0.0.1:9/x", "name": "hall"})
            assert added.status_code == 201
            with client.stream("GET", "/api/v1/events/stream") as stream:
                next(stream.iter_lines())
                begin = time.monotonic()
                process.send_signal(signal.SIGTERM)
                assert process.wait(20) == 0, "the engine was ended in order, too"
                assert time.monotonic() - begin < 5.0
    finally:
        process.kill()
        process.stderr.close()
        process.wait()
    assert "name: hall" in (tmp_path / "s" / "site.yaml").read_text()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nothing.yaml"], "nothing.yaml"),
        (["--port", "99999"], "server.port"),
        (["--set", "server.prot=1"], "did you mean 'port'"),
        (["--tls-cert", "a.pem"], "tls_cert and tls_key belong together"),
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
