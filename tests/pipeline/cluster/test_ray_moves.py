"""A machine joins a run over live cameras: a camera moves there, and its people keep their identities."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from relaytrack.pipeline.cluster.cluster_run import ClusterRun
from relaytrack.pipeline.config.loading import load_config

pytestmark = [pytest.mark.needs("ray"), pytest.mark.timeout(600)]
SMALL = {"num_cpus": 2, "object_store_memory": 80_000_000, "resources": {"hall": 1}}


def wait_for(condition: Callable[[], bool], seconds: float, failed: list[BaseException]) -> None:
    """Wait until something is so; what ended the run meanwhile is raised."""
    until = time.monotonic() + seconds
    while not condition():
        if failed:
            raise failed[0]
        assert time.monotonic() < until
        time.sleep(0.1)


def test_a_camera_moves_to_a_machine_that_joins(samples: Path, tmp_path: Path, ray_cluster: Any) -> None:
    cameras = [{"name": n, "url": str(samples / f"{n}.mp4"), "live": True, "loop": True} for n in ("east", "west")]
    changed: dict[str, Any] = {
        "run.fps": 2,
        "run.device": "cpu",
        "run.threads": 1,
        "output.dir": str(tmp_path / "out"),
        "output.video": False,
        "output.report": False,
        "identities.return_ratio": 0.3,
        "cluster.dir": str(tmp_path / "nodes"),
        "cluster.patience": 20,  # of a busy machine
        "cluster.num_cpus": 0.5,
        "cluster.bind": {"east": "hall", "west": "hall"},
    }
    first = ray_cluster.add_node(**SMALL)
    nodes = [first]
    failed: list[BaseException] = []
    run = ClusterRun(load_config(data={"cameras": cameras}, overrides=changed))

    def carry_out() -> None:
        try:
            run.run()
        except BaseException as error:
            failed.append(error)

    def frames() -> dict[str, int]:
        """Of each camera, by the program that follows it now."""
        return {name: one.frames for status in run.nodes for name, one in status.cameras.items()}

    following = threading.Thread(target=carry_out)
    following.start()
    try:
        wait_for(lambda: min(frames().get(name, 0) for name in ("east", "west")) >= 8, 240, failed)
        nodes.append(ray_cluster.add_node(**SMALL))
        wait_for(lambda: run.mover is not None and bool(run.mover.moved), 240, failed)
        wait_for(lambda: len(run.nodes) == 2 and run.nodes[-1].state == "running", 120, failed)
        taken = set(run.nodes[-1].cameras)
        wait_for(lambda: min(frames().values()) >= 8, 120, failed)
        before, after = run.nodes
        (moved,) = taken
        gap = (after.cameras[moved].first_time or 0) - (before.cameras[moved].last_time or 0)
    finally:
        run.stop()
        following.join(120)
        for node in nodes:
            ray_cluster.remove_node(node, False)
    assert not failed
    assert run.crew is not None
    assert run.mover is not None
    assert len(run.mover.moved) == 1, "and nothing moved back"
    assert {member.machine.node_id for member in run.crew.members} == {node.node_id for node in nodes}
    assert 0 < gap < 30
    assert not run.crew.moves
    known = json.loads((tmp_path / "out/identities.json").read_text())["identities"]
    tracks = [(one["id"], track["track"]) for one in known for track in one["tracks"] if track["camera"] == moved]
    early, late = ({identity for identity, track in tracks if (track > 1000) == new} for new in (False, True))
    assert early & late, "somebody has the same identity before and after"
    lines = [path.read_text().splitlines() for path in sorted((tmp_path / f"out/tracks/{moved}").glob("*.txt"))]
    ids = {int(line.split(",")[1]) for part in lines for line in part}
    assert min(ids) < 1000 < max(ids), "both programs' parts are there"
