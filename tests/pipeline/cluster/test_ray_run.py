"""Whole runs over Ray: the results of one machine, on one, two and three, and with parts that die."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.cluster_site import results, site

from relaytrack.pipeline.cluster.cluster_run import ClusterRun

pytestmark = [pytest.mark.needs("ray"), pytest.mark.timeout(600)]


@pytest.mark.parametrize("nodes", [1, 2, 3])
def test_a_cluster_gives_the_bytes_of_one_machine(
    nodes: int, samples: Path, tmp_path: Path, alone: dict[str, bytes], ray_cluster: Any
) -> None:
    (tmp_path / "nodes").mkdir()
    (tmp_path / "nodes/identities-state.db").write_bytes(b"left by a run that was killed" * 99)
    run = ClusterRun(site(samples, tmp_path, cluster__nodes=nodes))
    summary = run.run()
    assert results(tmp_path) == alone
    assert summary.shared_identities >= 1
    assert run.crew is not None
    assert len({member.machine.node_id for member in run.crew.members}) == nodes
    crops = list((tmp_path / "run/crops").glob("*/*.jpg"))
    assert crops, "crops are fetched"
    assert not list((tmp_path / "nodes").glob("*.db")), "the checkpoint goes when a recording has ended"


def kill(actor: Any) -> None:
    """End an actor's process with signal 9."""
    import ray

    os.kill(ray.get(actor.__ray_call__.remote(lambda _: os.getpid())), signal.SIGKILL)


def when(run: ClusterRun, frames: int, action: Callable[[], None]) -> threading.Thread:
    """Do something once each camera has had so many frames."""

    def watch() -> None:
        until = time.monotonic() + 240
        while time.monotonic() < until:
            cameras = [one for status in run.nodes for one in status.cameras.values()]
            if len(cameras) == 3 and min(one.frames for one in cameras) >= frames:
                action()
                return
            time.sleep(0.05)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("part", ["IdentityActor", "PerceptionActor"])
def test_a_part_that_is_killed_changes_nothing(
    part: str, samples: Path, tmp_path: Path, alone: dict[str, bytes], ray_cluster: Any
) -> None:
    """Signal 9 in the middle of a run, to the identity service or to a program that follows a camera."""
    import ray

    from relaytrack.pipeline.cluster.ray_bus import IDENTITIES, NAMESPACE

    run = ClusterRun(site(samples, tmp_path, cluster__nodes=3))

    def strike() -> None:
        assert run.crew is not None
        identity = part == "IdentityActor"
        kill(ray.get_actor(IDENTITIES, namespace=NAMESPACE) if identity else run.crew.members[0].actor)

    thread = when(run, 8, strike)
    run.run()
    thread.join(5)
    assert results(tmp_path) == alone
    assert run.identities is not None
    assert run.identities.lost == {}
    if part == "IdentityActor":
        assert run.identities.token == 2
    else:
        assert run.crew is not None
        assert len(run.crew.moves) == 1
        assert run.crew.seconds[0] < 5
        assert run.identities.repeated > 0, "its camera began again"


def test_a_machine_that_goes_changes_nothing(
    samples: Path, tmp_path: Path, alone: dict[str, bytes], ray_cluster: Any
) -> None:
    run = ClusterRun(site(samples, tmp_path, cluster__nodes=3))
    gone: list[str] = []

    def strike() -> None:
        assert run.crew is not None
        lost = run.crew.members[1].machine.node_id
        ray_cluster.remove_node(next(one for one in ray_cluster.worker_nodes if one.node_id == lost), False)
        gone.append(lost)

    thread = when(run, 8, strike)
    try:
        run.run()
        thread.join(30)
    finally:
        ray_cluster.add_node(num_cpus=2, object_store_memory=80_000_000)
    assert results(tmp_path) == alone
    assert run.crew is not None
    assert len(run.crew.moves) == 1
    assert gone[0] not in {member.machine.node_id for member in run.crew.members}
