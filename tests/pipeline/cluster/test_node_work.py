"""A machine's work without Ray: the engine at the end of a bus."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from relaytrack.pipeline.cluster.bus import InProcessBus
from relaytrack.pipeline.cluster.claims import ClaimError
from relaytrack.pipeline.cluster.node_work import NodeWork
from relaytrack.pipeline.cluster.site import CHECKPOINT, forget_checkpoint, open_desk
from relaytrack.pipeline.cluster.work_order import WorkOrder
from relaytrack.pipeline.config.loading import load_config
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.errors import InputError


@pytest.fixture
def live_site(make_video: Callable[..., Path], tmp_path: Path) -> Config:
    """A live camera that shows one person again and again."""
    rows = (f"{frame},-1,{20 + frame},20,30,70,0.9" for frame in range(1, 21))
    boxes = tmp_path / "det.txt"
    boxes.write_text("\n".join(rows) + "\n")
    camera = {"url": str(make_video(frames=20)), "name": "door", "live": True, "loop": True, "detections": str(boxes)}
    changed: dict[str, Any] = {
        "detector.backend": "file",
        "output.video": False,
        "cluster.dir": str(tmp_path / "service"),
        "run.device": "cpu",
        "run.threads": 1,
    }
    return load_config(data={"cameras": [camera]}, overrides=changed)


@pytest.fixture
def bus(live_site: Config) -> Iterator[InProcessBus]:
    desk = open_desk(live_site, 0.5, time.time())
    yield InProcessBus(desk)
    desk.close()


def order(config: Config, folder: Path, number: int, zero: float) -> WorkOrder:
    return WorkOrder(f"node{number}", number, config.model_dump_json(), str(folder / f"node{number}"), zero)


@pytest.mark.timeout(120)
def test_a_machine_whose_clock_is_two_seconds_ahead_is_made_up_for(
    live_site: Config, bus: InProcessBus, tmp_path: Path
) -> None:
    zero = time.time()
    work = NodeWork(order(live_site, tmp_path, 1, zero), bus, now=lambda: time.time() + 2.0)
    work.start()
    until = time.monotonic() + 60
    while work.status().cameras["door"].frames < 5 and time.monotonic() < until:
        time.sleep(0.05)
    now, status = time.time() - zero, work.status()
    assert status.cameras["door"].frames >= 5
    last = status.cameras["door"].last_time
    assert last is not None
    assert now - 1.5 < last <= now + 0.1, "its frames have the site's time"
    assert status.skew == pytest.approx(2.0, abs=0.3)

    other = NodeWork(order(live_site, tmp_path, 0, zero), bus)
    with pytest.raises(ClaimError, match="camera 'door': node node1 follows it already; node node0 is refused"):
        other.start()
    other.close()
    work.stop()
    work.join(30)
    assert bus.desk is not None
    assert bus.desk.status().late == {}
    known = json.loads((tmp_path / "node1/identities.json").read_text())
    assert known["clock_zero"] == pytest.approx(zero, abs=0.01)
    assert work.files.read("identities.json", 0) == (tmp_path / "node1/identities.json").read_bytes()
    assert "tracks/door" in {name.rsplit("/", 1)[0] for name in work.files.names()}
    with pytest.raises(InputError):
        work.files.read("../service/identities-state.db", 0)
    work.close()


def test_what_a_killed_run_left_is_not_taken_for_this_ones(live_site: Config, tmp_path: Path) -> None:
    killed = open_desk(live_site, 0.5, time.time())
    killed.close()
    assert (tmp_path / "service" / CHECKPOINT).exists()
    forget_checkpoint(live_site)
    assert list((tmp_path / "service").iterdir()) == []
    forget_checkpoint(live_site)
    fresh = open_desk(live_site, 0.5, time.time())
    assert fresh.token == 1
    fresh.close(forget=True)


@pytest.mark.timeout(120)
def test_a_camera_that_moves_gets_new_tracks_and_the_others_go_on(
    live_site: Config, bus: InProcessBus, tmp_path: Path
) -> None:
    door = live_site.cameras[0]
    both = live_site.model_copy(update={"cameras": (door, door.model_copy(update={"name": "yard"}))})
    zero = time.time()
    first = NodeWork(order(both, tmp_path, 1, zero), bus)
    first.start()

    def frames(work: NodeWork, camera: str, more: int) -> None:
        least = work.status().cameras[camera].frames + more
        until = time.monotonic() + 60
        while work.status().cameras[camera].frames < least:
            assert time.monotonic() < until
            assert work.status().state == "running", work.status().error
            time.sleep(0.05)

    frames(first, "door", 30)
    until = time.monotonic() + 30
    while set(first.status().costs.cameras) != {"door", "yard"}:
        assert time.monotonic() < until, "costs are measured"
        time.sleep(0.1)
    first.release(["door"])
    assert bus.desk is not None
    moved = live_site.model_copy(update={"cameras": (door,)})
    second = NodeWork(order(moved, tmp_path, 2, zero), bus)
    second.start()
    frames(second, "door", 10)
    frames(first, "yard", 10)
    assert set(first.status().costs.cameras) == {"yard"}
    assert first.status().cut == 0.0, "it has not lost the identity service for a moment"
    assert bus.desk.status().nodes == {"door": "node2", "yard": "node1"}
    first.release(["yard"])
    first.join(30)
    assert first.status().state == "ended", "without a camera its work is over"
    second.stop()
    second.join(30)
    rows = [
        {
            int(line.split(",")[1])
            for one in (tmp_path / node / "tracks/door").glob("*.txt")
            for line in one.read_text().splitlines()
        }
        for node in ("node1", "node2")
    ]
    assert rows[0]
    assert rows[1]
    assert max(rows[0]) < 1000 < min(rows[1])
    first.close()
    second.close()


@pytest.mark.timeout(120)
def test_a_camera_is_taken_up_beside_others_also_by_an_older_order(
    live_site: Config, bus: InProcessBus, tmp_path: Path
) -> None:
    door = live_site.cameras[0]
    both = live_site.model_copy(update={"cameras": (door, door.model_copy(update={"name": "yard"}))})
    zero = time.time()
    older, newer = (NodeWork(order(one, tmp_path, n, zero), bus) for n, one in enumerate((both, live_site), start=1))
    older.start()
    older.remove_camera("door")
    newer.start()

    def follows(work: NodeWork) -> None:
        least = getattr(work.status().cameras.get("door"), "frames", 0) + 5
        until = time.monotonic() + 60
        while getattr(work.status().cameras.get("door"), "frames", 0) < least:
            assert time.monotonic() < until
            assert work.status().state == "running", work.status().error
            time.sleep(0.05)

    follows(newer)
    with pytest.raises(ClaimError, match="node node2 follows it already"):
        older.add_camera(door.model_dump_json())
    newer.remove_camera("door")
    older.add_camera(door.model_dump_json())
    follows(older)
    assert bus.desk is not None
    assert bus.desk.status().nodes == {"door": "node1", "yard": "node1"}
    for work in (older, newer):
        work.stop()
        work.join(30)
        work.close()
    rows = [line for path in (tmp_path / "node1/tracks/door").glob("*.txt") for line in path.read_text().splitlines()]
    assert max(int(line.split(",")[1]) for line in rows) > 1000, "track ids of its own"
