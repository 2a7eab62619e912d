"""A whole live run over RTSP: two cameras, a server that dies and comes back, and a clean end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import av
import pytest

T = TypeVar("T")


def seconds_of(folder: Path, camera: str) -> float:
    """Seconds of video that a camera's segments hold so far."""
    total = 0.0
    for path in (folder / "video" / camera).glob("*.mp4"):
        try:
            with av.open(str(path)) as container:
                times = [float(packet.pts * packet.time_base) for packet in container.demux(video=0) if packet.pts]
        except (OSError, ValueError):
            continue
        total += max(times, default=0.0)
    return total


def wait_for(condition: Any, limit: float = 60.0) -> bool:
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.2)
    return False


def settled(value: Callable[[], T], seconds: float = 1.0, limit: float = 30.0) -> T:
    """`value()` once it has stayed the same for so long: what was on its way has arrived."""
    end, last, since = time.monotonic() + limit, value(), time.monotonic()
    while time.monotonic() < min(since + seconds, end):
        time.sleep(0.1)
        if (now := value()) != last:
            last, since = now, time.monotonic()
    return last


@pytest.mark.needs("rtsp")
def test_a_run_outlives_its_server(rtsp_server: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "relaytrack.pipeline.cli.main", "run", "--out", str(out), "--device", "cpu"]
    command += ["--source", rtsp_server.url("red"), "--source", f"blue={rtsp_server.url('blue')}"]
    command += ["--set", "input.reconnect_initial=0.2", "--set", "input.read_timeout=2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert wait_for(lambda: min(seconds_of(out, "cam1"), seconds_of(out, "blue")) > 1), process.poll()
        rtsp_server.kill()
        before = settled(lambda: (seconds_of(out, "cam1"), seconds_of(out, "blue")))
        rtsp_server.start()
        for camera, seconds in zip(("cam1", "blue"), before, strict=True):
            assert wait_for(lambda name=camera, since=seconds: seconds_of(out, name) > since + 2), camera
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        shown, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    info = json.loads((out / "run.json").read_text())
    assert info["final"] is False
    for camera in ("cam1", "blue"):
        assert info["cameras"][camera]["live"] is True
        assert info["cameras"][camera]["reconnects"] >= 1
        assert info["cameras"][camera]["frames"] > 10
    assert info["age_seconds"]["p50"] < 5
    assert "reconnects" in shown


@pytest.mark.needs("rtsp")
def test_a_wrong_path_ends_with_one_line(rtsp_server: Any, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "relaytrack.pipeline.cli.main", "run", "--out", str(tmp_path / "out")]
    command += ["--source", f"door={rtsp_server.url('nothing', 'bob:s3cret@')}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "camera 'door'" in done.stderr
    assert "Traceback" not in done.stderr
    assert "s3cret" not in done.stdout + done.stderr
