"""Placing cameras, comparing clocks, sizing, and words that are of no use."""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from relaytrack.pipeline.benchmarks.identity_load import identity_load, largest
from relaytrack.pipeline.benchmarks.sizing import needs
from relaytrack.pipeline.cli.main import main
from relaytrack.pipeline.cluster.clock_skew import clock_skew
from relaytrack.pipeline.cluster.far_cameras import FarCameras
from relaytrack.pipeline.cluster.gather import NodeResults
from relaytrack.pipeline.cluster.node_config import node_config
from relaytrack.pipeline.cluster.placing import groups_of
from relaytrack.pipeline.cluster.work_order import Served, WorkOrder
from relaytrack.pipeline.config.loading import load_config
from relaytrack.pipeline.config.schema import CameraConfig, Config
from relaytrack.pipeline.dates import stamped
from relaytrack.pipeline.errors import ConfigError
from relaytrack.pipeline.results.identities import CameraRecord


def cameras(*names: str) -> list[CameraConfig]:
    return [CameraConfig(url=f"rtsp://10.0.0.1/{name}", name=name) for name in names]


def test_cameras_are_spread_by_what_they_cost() -> None:
    found = groups_of(cameras(*"abcde"), 2, {}, {"a": 4.0, "b": 1.0, "c": 1.0, "d": 1.0, "e": 1.0})
    assert [group.cameras for group in found] == [["a"], ["b", "c", "d", "e"]]
    assert [group.cameras for group in groups_of(cameras("a"), 3, {})] == [["a"]]


def test_a_bound_camera_goes_to_its_machine_alone() -> None:
    found = groups_of(cameras(*"abcd"), 3, {"c": "north"})
    assert [(group.bound, group.cameras) for group in found] == [("north", ["c"]), ("", ["a", "d"]), ("", ["b"])]
    with pytest.raises(ConfigError, match=r"cluster\.bind: there is no camera 'x'"):
        groups_of(cameras("a"), 1, {"x": "north"})


def test_a_clock_two_seconds_ahead_is_found_by_round_trips() -> None:
    def reference() -> float:
        time.sleep(0.002)
        return time.time()

    skew, doubt = clock_skew(reference, now=lambda: time.time() + 2.0)
    assert abs(skew - 2.0) <= doubt + 0.01
    assert doubt < 0.2


def test_results_come_in_pieces() -> None:
    data = bytes(range(256)) * 3
    node = NodeResults("n", ["a"], lambda name, start: data[start : start + 100])
    assert node.whole("a") == data


def test_parts_of_a_camera_that_moved_lie_side_by_side(tmp_path: Path) -> None:
    for text in (b"first", b"then", b"last"):
        pieces = {0: text}
        node = NodeResults(
            "n", ["tracks/a/20261120T133000.txt"], lambda _, start, pieces=pieces: pieces.get(start, b"")
        )
        node.copy(node.files[0], tmp_path, beside=True)
    found = {path.name: path.read_bytes() for path in (tmp_path / "tracks/a").iterdir()}
    assert found == {
        "20261120T133000.txt": b"first",
        "20261120T133000_2.txt": b"then",
        "20261120T133000_3.txt": b"last",
    }
    assert all(stamped(name.removesuffix(".txt")) is not None for name in found)
    first, then = CameraRecord(5, 1.0, 2.0, 9, [[1.5, 0.2]]), CameraRecord(3, 6.0, 8.0, 4, [])
    assert first.followed_by(then) == CameraRecord(8, 1.0, 8.0, 4, [[1.5, 0.2]])
    assert first.followed_by(CameraRecord()) == first


def test_the_receivers_of_a_served_site_get_its_events_from_one_machine() -> None:
    """Fault: every program sent its events, too, and on the page's own machine two fought for one file."""
    sinks = [{"name": "webhook", "options": {"url": "http://x/", "spool": "spool/webhook.db"}}]
    config = load_config(data={"cameras": ["rtsp://10.0.0.1/a"], "sinks": sinks})
    order = WorkOrder("node1", 1, config.model_dump_json(), None, 0.0, Served())
    assert node_config(order, None).sinks == ()
    assert node_config(replace(order, served=None), None).sinks == config.sinks, "a run has no other machine for it"


def test_machines_are_counted_by_the_formula() -> None:
    rows = needs([1, 100, 10_000], frame=0.05, rate=5.0, cores=8, people=10, size=140, bearable=150)
    assert [(row.machines, row.services) for row in rows] == [(1, 1), (5, 1), (447, 67)]
    assert rows[1].megabits == pytest.approx(100 * 5 * 10 * 140 * 8 / 1e6)


def test_the_load_of_a_service_is_measured() -> None:
    load = identity_load(2, people=3, rate=5.0, seconds=2.0, dim=64)
    assert load.p99 >= load.p50 > 0
    assert 0 < load.work < 1
    assert largest([load], limit=1e9) in (0, 2)


@pytest.mark.parametrize(
    ("address", "told"),
    [("nowhere", "write auto, or HOST:PORT"), ("127.0.0.1:1", "nobody answers there"), ("[::1", "write auto")],
)
@pytest.mark.needs("ray")
def test_a_wrong_address_is_one_line(
    address: str,
    told: str,
    samples: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import ray

    monkeypatch.setattr(ray, "is_initialized", lambda: False)  # other tests of this process may have joined one
    words = ["run", "--source", str(samples / "east.mp4"), "--cluster", address, "--out", str(tmp_path / "out")]
    assert main(words) == 2
    error = [line for line in capfd.readouterr().err.splitlines() if line.startswith("relaytrack: error:")]
    assert len(error) == 1
    assert told in error[0]


def test_without_ray_it_is_one_line(
    samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    words = ["run", "--source", str(samples / "east.mp4"), "--cluster", "auto", "--out", str(tmp_path / "out")]
    assert main(words) == 2
    assert "--cluster needs Ray: pip install 'relaytrack[cluster]'" in capsys.readouterr().err


def test_a_camera_that_joins_a_cluster_is_refused_as_in_one_process() -> None:
    """Fault: a camera was refused only where its name was the same with its capitals, too."""
    crew: Any = SimpleNamespace(config=Config(cameras=tuple(cameras("hall"))))
    far = FarCameras(None, crew, threading.RLock(), *_never(2))
    with pytest.raises(ConfigError, match="there is a camera 'hall' already"):
        far.add(CameraConfig(url="rtsp://10.0.0.1/x", name="Hall"))
    with pytest.raises(ConfigError, match="a source cannot go to another machine"):
        far.add(CameraConfig(url="rtsp://10.0.0.1/x", name="door"), source=_never(1)[0])


def _never(number: int) -> list[Any]:
    """Parts that are not asked for anything."""
    return [object() for _ in range(number)]
