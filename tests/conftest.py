"""What every test may use: the markers for optional surroundings and the paths of the data."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("RELAYTRACK_SHARED", ROOT.parent / "shared"))
SYSTEM_PYTHON = "/usr/bin/python3"


@cache
def missing(feature: str) -> str | None:
    """Say why `feature` is not at hand here, or None where it is."""
    if feature == "shared":
        return None if (SHARED / "README.md").exists() else f"reference data not found at {SHARED}"
    if feature == "rtsp":
        probe = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
        try:
            done = subprocess.run([SYSTEM_PYTHON, "-c", probe], capture_output=True, timeout=60, check=False)
        except OSError:
            return f"{SYSTEM_PYTHON} is not there"
        return None if done.returncode == 0 else "GStreamer's RTSP server (gir1.2-gst-rtsp-server-1.0) not found"
    if feature == "chromium":
        return None if shutil.which("chromium") else "chromium not found"
    if feature in ("mosquitto", "redis"):
        program = {"mosquitto": "mosquitto", "redis": "redis-server"}[feature]
        return None if shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin") else f"{program} not found"
    if feature == "axe":
        path = axe_script()
        return None if path.exists() else f"{path} is not there: npm install --no-save --prefix .venv/axe axe-core@4"
    if feature == "index":
        probe = [sys.executable, "-m", "pip", "index", "versions", "reid", "--pre", "--timeout", "5", "--retries", "0"]
        done = subprocess.run(probe, capture_output=True, timeout=60, check=False)
        return None if done.returncode == 0 else "pip reaches no package index"
    if feature == "ray":
        return None if find_spec("ray") else "Ray not found (pip install 'relaytrack[cluster]')"
    if feature == "fsspec":
        return None if find_spec("fsspec") else "fsspec not found (pip install 'relaytrack[cluster]')"
    if feature == "s3":
        return None if find_spec("s3fs") and find_spec("moto") else "s3fs and moto[server] not found"
    if feature == "netns":
        return _no_network_namespaces()
    raise ValueError(f"unknown feature {feature!r}")


def axe_script() -> Path:
    """The script of axe-core, which looks for faults that shut people out of a page; it is not part of this project."""
    given = os.environ.get("RELAYTRACK_AXE")
    return Path(given) if given else ROOT / ".venv/axe/node_modules/axe-core/axe.min.js"


def _no_network_namespaces() -> str | None:
    """Why networks of their own cannot be made here."""
    name = f"rt{os.getpid()}probe"
    try:
        made = subprocess.run(["ip", "netns", "add", name], capture_output=True, timeout=10, check=False)
        if made.returncode == 0:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, timeout=10, check=True)
            return None
    except OSError:
        return "the program ip (iproute2) not found"
    return "network namespaces cannot be made (they need root)"


_SLOW = {"ray", "netns", "index", "s3", "mosquitto", "redis", "chromium", "axe"}
"""What a test starts or asks outside of this process, which takes seconds."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by what they need: `rtsp`, `slow`, or `unit` where neither these nor `browser` hold."""
    for item in items:
        needed = {mark.args[0] for mark in item.iter_markers("needs")}
        marks = [mark for mark, found in (("rtsp", "rtsp" in needed), ("slow", bool(needed & _SLOW))) if found]
        if not marks and item.get_closest_marker("browser") is None:
            marks = ["unit"]
        for mark in marks:
            item.add_marker(mark)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose surroundings are absent; fail it where RELAYTRACK_REQUIRE names them."""
    required = os.environ.get("RELAYTRACK_REQUIRE", "").split(",")
    for mark in item.iter_markers("needs"):
        feature = mark.args[0]
        reason = missing(feature)
        if reason and feature in required:
            pytest.fail(f"{feature} is required here: {reason}")
        if reason:
            pytest.skip(reason)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The tests' networks stay out of the user's cache folder; commands that tests start inherit this."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of the reference data."""
    return SHARED


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of the bundled clips."""
    return ROOT / "samples"
