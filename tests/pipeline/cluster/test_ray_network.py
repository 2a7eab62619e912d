"""Two machines, each in a network of its own, whose line is cut for ten seconds."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from relaytrack.pipeline.cluster.known_identities import PROVISIONAL
from tests.support.cluster_served import walking_camera
from tests.support.world import wait_for

pytestmark = [pytest.mark.needs("ray"), pytest.mark.needs("netns"), pytest.mark.timeout(600)]
DRIVER = Path(__file__).parents[2] / "support" / "drive_cluster.py"
SMALL = ("--num-cpus", "2", "--object-store-memory", "80000000", "--disable-usage-stats")


def ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


@dataclass
class Machines:
    """The network namespaces of the head and of the other machine."""

    head: str
    other: str

    def command(self, machine: str, *words: str) -> list[str]:
        return ["ip", "netns", "exec", machine, sys.executable, *words]

    def cut(self, cut: bool) -> None:
        """Take the line between them away, or give it back."""
        ip("-n", self.other, "link", "set", f"{self.other}v", "down" if cut else "up")


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> Iterator[Machines]:
    """Two machines with a Ray cluster of both; resources south (the head) and north."""
    names = Machines(f"rt{os.getpid()}a", f"rt{os.getpid()}b")
    folder = tempfile.mkdtemp(prefix="rt", dir="/tmp")  # Ray's sockets need a short path
    monkeypatch.setenv("HOME", folder)
    monkeypatch.setenv("RAY_worker_niceness", "0")
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "t" * 40)
    try:
        for name in (names.head, names.other):
            ip("netns", "add", name)
        ip("link", "add", f"{names.head}v", "type", "veth", "peer", "name", f"{names.other}v")
        for number, name in enumerate((names.head, names.other), 1):
            ip("link", "set", f"{name}v", "netns", name)
            ip("-n", name, "addr", "add", f"10.77.0.{number}/24", "dev", f"{name}v")
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "link", "set", f"{name}v", "up")
        start = ("-m", "ray.scripts.scripts", "start", *SMALL)
        head = ("--head", "--node-ip-address", "10.77.0.1", "--port", "6379", "--include-dashboard", "false")
        words = (*start, *head, "--temp-dir", f"{folder}/ray", "--resources", '{"south": 1}')
        subprocess.run(names.command(names.head, *words), check=True, capture_output=True, timeout=120)
        words = (*start, "--address", "10.77.0.1:6379", "--node-ip-address", "10.77.0.2", "--resources", '{"north": 1}')
        subprocess.run(names.command(names.other, *words), check=True, capture_output=True, timeout=120)
        yield names
    finally:
        for name in (names.head, names.other):
            found = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=False)
            for process in found.stdout.split():
                os.kill(int(process), signal.SIGKILL)
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def rows_of(folder: Path, camera: str) -> list[list[str]]:
    """The lines of a camera's people, whatever wrote them."""
    paths = folder.glob(f"**/global/{camera}/*.txt")
    return [line.split(",") for path in paths for line in path.read_text().splitlines()]


def cut_for_ten_seconds(driver: subprocess.Popen[str], two: Machines, nodes: Path) -> dict[str, Any]:
    """Cut the line once both cameras show people, heal it, and end the run once both do so again; the last word.

    How many frames a second there are depends on the machine, so nothing is counted here but what must come.
    """
    assert driver.stdin is not None
    assert driver.stdout is not None
    cut_at = healed_at = 0.0
    before: dict[str, int] = {}
    people: dict[str, int] = {}
    end: dict[str, Any] = {}
    for line in driver.stdout:
        about, now = json.loads(line), time.monotonic()
        if "over" in about:
            end = about
        frames = about.get("frames", {})
        shown = {camera: len(rows_of(nodes, camera)) for camera in ("east", "west")}
        if not cut_at and min(frames.get("east", 0), frames.get("west", 0)) >= 10 and min(shown.values()) > 0:
            before, cut_at = frames, now
            two.cut(True)
        elif cut_at and not healed_at and now > cut_at + 10:
            assert frames["east"] > before["east"], "the other machine goes on"
            two.cut(False)
            healed_at, people = now, shown
        elif (
            healed_at
            and max(about.get("cut", {}).values(), default=0) > 8
            and frames["west"] > before["west"]
            and all(shown[camera] > people[camera] for camera in shown)
        ):
            driver.stdin.write("\n")
            driver.stdin.flush()
            healed_at = 0.0
            cut_at = 1e18
    return end


def test_a_line_that_is_cut_for_ten_seconds_costs_no_identity(two: Machines, samples: Path, tmp_path: Path) -> None:
    cameras = [{"name": n, "url": str(samples / f"{n}.mp4"), "live": True, "loop": True} for n in ("east", "west")]
    site = {
        "cameras": cameras,
        "run": {"fps": 4, "device": "cpu", "threads": 1},
        "output": {"dir": str(tmp_path / "out"), "video": False, "report": False},
        "cluster": {"dir": str(tmp_path / "nodes"), "bind": {"east": "south", "west": "north"}},
    }
    (tmp_path / "site.yaml").write_text(yaml.safe_dump(site))
    words = two.command(two.head, str(DRIVER), str(tmp_path / "site.yaml"), "10.77.0.1:6379")
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as driver:
        end = cut_for_ten_seconds(driver, two, tmp_path / "nodes")
    assert driver.returncode == 0
    assert end["moves"] == []
    assert end["lost"] == {}
    for camera in ("east", "west"):
        lines = rows_of(tmp_path / "out", camera)
        assert sorted(lines) == sorted(rows_of(tmp_path / "nodes", camera)), "nothing is lost on the way"
        assert max(Counter((frame, identity) for frame, identity, *_ in lines).values()) == 1
    known = json.loads((tmp_path / "out/identities.json").read_text())["identities"]
    assert max(one["id"] for one in known) < PROVISIONAL
    assert any(len(one["cameras"]) == 2 for one in known)


ASK = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=10).read().decode())"
"""Fetches an address, within the network of the head."""


def test_a_site_is_served_over_a_line_that_is_cut(two: Machines, tmp_path: Path) -> None:
    """The page's camera on the other machine stands still meanwhile; everybody in it is known afterwards."""
    cameras = [walking_camera(name, tmp_path, there_and_back=True) for name in ("door", "yard")]
    site = {
        "cameras": cameras,
        "detector": {"backend": "file"},
        "run": {"fps": 4, "device": "cpu", "threads": 1},
        "output": {"dir": str(tmp_path / "out"), "video": False},
        "cluster": {"dir": str(tmp_path / "nodes"), "bind": {"door": "south", "yard": "north"}, "num_cpus": 0.5},
    }
    (tmp_path / "site.yaml").write_text(yaml.safe_dump(site))
    words = ("-m", "relaytrack.pipeline.cli.main", "serve", str(tmp_path / "site.yaml"), "--port", "8600")
    words = (*words, "--dir", str(tmp_path / "site"), "--cluster", "10.77.0.1:6379")

    def ask(path: str) -> dict[str, Any]:
        command = two.command(two.head, "-c", ASK, f"http://127.0.0.1:8600/api/v1/{path}")
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        return dict(json.loads(done.stdout)) if done.returncode == 0 else {}

    def frames() -> dict[str, int]:
        return {camera["name"]: camera.get("frames", 0) for camera in ask("cameras").get("cameras", [])}

    def shown() -> dict[str, int]:
        found = ask("tracks").get("cameras", [])
        return {one["camera"]: one["people"][0]["identity"] for one in found if one["people"]}

    with subprocess.Popen(two.command(two.head, *words), stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        lines: list[str] = []
        reading = threading.Thread(target=lambda: lines.extend(iter(server.stderr.readline, "")), daemon=True)  # type: ignore[union-attr]
        reading.start()
        try:
            assert wait_for(lambda: min(frames().get(name, 0) for name in ("door", "yard")) > 10, 240), lines
            known: list[int] = []

            def same_in_both() -> bool:
                found = shown()
                known[:] = set(found.values())
                return len(found) == 2 and len(known) == 1

            assert wait_for(same_in_both, 60), "one person in both"
            (person,) = known
            before = frames()
            two.cut(True)
            cut_at = time.monotonic()
            try:
                assert wait_for(lambda: frames()["door"] > before["door"] + 5, 30), "this machine's camera goes on"
                assert server.poll() is None
                time.sleep(max(0.0, cut_at + 10 - time.monotonic()))
            finally:
                two.cut(False)
            healed = frames()
            assert wait_for(lambda: frames()["yard"] > healed["yard"] + 10, 60), "the other one is there again"
            as_before = dict.fromkeys(("door", "yard"), person)
            assert wait_for(lambda: shown() == as_before, 60), f"with the identity {person}, not {shown()}: {lines}"
            people = [one["identity"] for one in ask("people")["people"]]
            assert max(people) < PROVISIONAL
            server.send_signal(signal.SIGTERM)
            assert server.wait(30) == 0, lines
        finally:
            server.kill()
    assert not [line for line in lines if "error" in line.lower()]
