"""A whole live run over RTSP: two cameras, a server that dies and comes back, and a clean end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import av
import numpy as np
import pytest
from support.world import Keep, Looks

from relaytrack.pipeline.config.loading import load_config
from relaytrack.pipeline.engine import Pipeline
from relaytrack.pipeline.records import Detections, Frame

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


class Everybody:
    """A detector that sees one person in the same place of every picture."""

    provider = "test"

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        box = np.array([[40, 20, 80, 110]], np.float32)
        return [Detections(box.copy(), np.array([0.9], np.float32)) for _ in frames]


@pytest.mark.needs("rtsp")
def test_a_camera_joins_and_another_leaves_while_the_second_goes_on(rtsp_server: Any) -> None:
    addresses = {"a": rtsp_server.url("red"), "b": rtsp_server.url("blue")}
    config = load_config(
        data={"cameras": [{"url": url, "name": name} for name, url in addresses.items()]},
        overrides={"output.dir": None, "input.reconnect_initial": 0.2},
    )
    sink = Keep()
    run = Pipeline(config, detector=Everybody(), embedder=Looks(), sinks=[sink], until="stopped").start()
    try:
        assert wait_for(lambda: all(camera.frames > 10 for camera in run.status().cameras.values()))
        assert run.add_camera({"url": rtsp_server.url("red"), "name": "c"}) == "c"
        assert wait_for(lambda: run.status().cameras["c"].frames > 10)
        before = run.status().cameras["b"].frames
        run.remove_camera("a")
        assert wait_for(lambda: run.status().cameras["b"].frames > before + 20)
        run.pause_camera("c")
        paused = run.status().cameras["c"]
        time.sleep(1.0)
        status = run.status()
        assert status.cameras["c"].state == "paused"
        assert status.cameras["c"].frames <= paused.frames + 2
        assert status.cameras["b"].state == "running"
        run.resume_camera("c")
        assert wait_for(lambda: run.status().cameras["c"].frames > paused.frames + 10)
        run.change_camera(run.cameras[0].model_copy(update={"max_fps": 5.0}))
        changed = run.status().cameras["b"].frames
        assert wait_for(lambda: run.status().cameras["b"].frames > changed + 10)
        assert "a" not in run.status().cameras
    finally:
        run.stop()
        summary = run.join(20)
    assert sink.ids("b") == [1], "the one who stayed kept the number, also over a new connection"
    assert sink.ids("c") == [1]
    numbers = {track: identity for step in sink.steps for seen in step for track, identity in pairs(seen)}
    assert len(numbers) == 3
    assert sink.news == ["+a", "+b", "+c", "-a", "+b"]
    assert summary.cameras["b"].error is None


def pairs(seen: Any) -> list[tuple[tuple[str, int], int]]:
    """((camera, track), identity) of a frame."""
    return [
        ((seen.frame.camera, track), identity)
        for track, identity in zip(seen.ids.tolist(), seen.global_ids.tolist(), strict=True)
    ]
