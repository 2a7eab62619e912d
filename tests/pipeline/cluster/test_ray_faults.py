"""Live runs on a real Ray: a clock that is wrong, a camera that stalls, one that is claimed twice, too much work."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from relaytrack.pipeline.cluster.cluster_run import ClusterRun
from relaytrack.pipeline.cluster.work_order import WorkOrder, WorkStatus
from relaytrack.pipeline.config.loading import load_config
from tests.pipeline.conftest import RtspServer
from tests.support.cluster_served import TOP, left_of, walking_camera
from tests.support.world import wait_for

pytestmark = [pytest.mark.needs("ray"), pytest.mark.timeout(600)]
SMALL = {"num_cpus": 2, "object_store_memory": 80_000_000}
LATE_CLOCK = "import time\n_true = time.time\ntime.time = lambda: _true() + 2.0\n"
"""Makes every Python program of a machine two seconds early."""


@contextmanager
def running(folder: Path, cameras: Sequence[dict[str, Any]], **more: Any) -> Iterator[ClusterRun]:
    """A run over live cameras, until the end of the block; what ended it before is raised."""
    changed = {
        "detector.backend": "file",
        "run.device": "cpu",
        "run.threads": 1,
        "run.fps": 4,
        "output.dir": str(folder / "out"),
        "output.video": False,
        "output.report": False,
        "cluster.dir": str(folder / "nodes"),
        "cluster.num_cpus": 0.5,
        "cluster.patience": 20,  # of a busy machine
        **{key.replace("__", "."): value for key, value in more.items()},
    }
    run = ClusterRun(load_config(data={"cameras": list(cameras)}, overrides=changed))
    failed: list[BaseException] = []

    def carry_out() -> None:
        try:
            run.run()
        except BaseException as error:
            failed.append(error)

    following = threading.Thread(target=carry_out)
    following.start()
    try:
        yield run
    finally:
        run.stop()
        following.join(120)
        if failed:
            raise failed[0]


def frames(run: ClusterRun) -> dict[str, int]:
    """Of each camera, by the program that follows it now."""
    return {name: one.frames for status in run.nodes for name, one in status.cameras.items()}


def follows(run: ClusterRun, camera: str) -> WorkStatus:
    """The work that follows a camera."""
    return next(status for status in run.nodes if camera in status.cameras)


def check_identities(folder: Path) -> list[dict[str, Any]]:
    """Nobody is twice in a frame; the people of the run."""
    files = [path.read_text().splitlines() for path in (folder / "out/global").glob("*/*.txt")]
    assert any(files)
    for lines in files:  # one of a camera that moved soon may be empty
        counts = Counter(tuple(line.split(",")[:2]) for line in lines)
        assert max(counts.values(), default=1) == 1
    return list(json.loads((folder / "out/identities.json").read_text())["identities"])


def test_a_clock_two_seconds_ahead_is_made_up_for_and_a_camera_is_followed_once(
    tmp_path: Path, ray_cluster: Any, caplog: pytest.LogCaptureFixture
) -> None:
    import ray

    (tmp_path / "early").mkdir()
    (tmp_path / "early/sitecustomize.py").write_text(LATE_CLOCK)
    early = ray_cluster.add_node(
        **SMALL, resources={"early": 1, "either": 1}, env_vars={"PYTHONPATH": str(tmp_path / "early")}
    )
    other = ray_cluster.add_node(**SMALL, resources={"other": 1, "either": 1})
    cameras = [walking_camera(name, tmp_path) for name in ("door", "yard")]
    try:
        with running(tmp_path, cameras, cluster__bind={"door": "early", "yard": "other"}) as run:
            assert wait_for(lambda: min(frames(run).get(name, 0) for name in ("door", "yard")) > 20, 240)
            door, yard = follows(run, "door"), follows(run, "yard")
            assert door.skew == pytest.approx(2.0, abs=0.3)
            assert yard.skew == pytest.approx(0.0, abs=0.3)
            ends = [one.last_time for work in (door, yard) for one in work.cameras.values()]
            assert None not in ends
            assert abs(float(ends[0] or 0) - float(ends[1] or 0)) < 1.5, "both are on the site's clock"

            assert run.crew is not None
            mine = next(one for one in run.crew.members if one.machine.node_id == other.node_id)
            (theirs,) = (one for one in run.crew.members if one is not mine)
            (wanted,) = theirs.orders.values()
            again = WorkOrder("second", 0, wanted.config, str(tmp_path / "second"), run.crew.zero)
            with pytest.raises(ray.exceptions.RayTaskError, match="camera 'door': node node1 follows it already"):
                ray.get(mine.actor.start.remote(again), timeout=60)
            before = frames(run)["door"]
            assert wait_for(lambda: frames(run)["door"] > before + 5, 60), "the first goes on"
    finally:
        for node in (early, other):
            ray_cluster.remove_node(node, False)
    assert any("its clock is 2.0 s ahead; this is made up for" in one for one in caplog.messages)
    assert run.identities is not None
    assert run.identities.lost == {}
    assert any(set(one["cameras"]) == {"door", "yard"} for one in check_identities(tmp_path))


def test_a_machine_that_dies_just_before_a_run_is_left_out(
    tmp_path: Path, ray_cluster: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Ray takes some seconds to notice it, and sends a program there meanwhile."""
    lost = ray_cluster.add_node(**SMALL)
    alive = len(ray_cluster.list_all_nodes())
    ray_cluster.remove_node(lost, False)
    cameras = [walking_camera(f"c{number}", tmp_path) for number in range(alive)]
    with running(tmp_path, cameras, cluster__nodes=alive) as run:
        assert wait_for(lambda: len(frames(run)) == alive and min(frames(run).values()) > 5, 240)
    assert any("is lost; its program starts on" in one for one in caplog.messages)
    check_identities(tmp_path)


@pytest.mark.needs("rtsp")
def test_nobody_waits_for_a_camera_that_stalls_and_it_comes_back(
    tmp_path: Path, ray_cluster: Any, rtsp_server: RtspServer
) -> None:
    rows = (f"{frame},-1,{left_of(frame)},{TOP},30,70,0.9" for frame in range(1, 40 * 300))
    (tmp_path / "gate.txt").write_text("\n".join(rows) + "\n")
    gate = {"name": "gate", "url": rtsp_server.url(), "detections": str(tmp_path / "gate.txt")}
    more = {"cluster__nodes": 2, "input__read_timeout": 2, "input__reconnect_max": 1}
    with running(tmp_path, [walking_camera("door", tmp_path), gate], **more) as run:
        assert wait_for(lambda: min(frames(run).get(name, 0) for name in ("door", "gate")) > 10, 240)
        rtsp_server.freeze()
        try:
            assert wait_for(lambda: run.identities is not None and run.identities.seen.get("door", -1) > 0, 20)
            assert run.identities is not None
            before, seen = frames(run), run.identities.seen["door"]
            assert wait_for(lambda: frames(run)["door"] > before["door"] + 15, 60), "the other camera goes on"
            assert wait_for(lambda: run.identities is not None and run.identities.seen["door"] > seen + 8, 30)
            assert frames(run)["gate"] < before["gate"] + 15, "it stalls"
        finally:
            rtsp_server.freeze(False)
        back = frames(run)["gate"]
        assert wait_for(lambda: frames(run)["gate"] > back + 5, 60)
        assert run.crew is not None
        assert not run.crew.moves
    assert run.identities.lost == {}
    check_identities(tmp_path)


def test_a_program_that_falls_behind_gives_a_camera_away(tmp_path: Path, ray_cluster: Any) -> None:
    cameras = [walking_camera(name, tmp_path) for name in ("full", "calm", "crowd")]
    for name in ("full", "crowd"):  # 20 people in each frame: far more than a program has time for
        boxes = "\n".join(
            f"{frame},-1,{6 * person},{TOP + person},30,70,0.9" for frame in range(1, 4000) for person in range(20)
        )
        (tmp_path / f"{name}.txt").write_text(boxes + "\n")

    def tracks(name: str, node: str) -> set[int]:
        """The ids that a camera's tracks have so far, of a piece of work."""
        paths = (tmp_path / "nodes" / node / "tracks" / name).glob("*.txt")
        return {int(line.split(",")[1]) for path in paths for line in path.read_text().splitlines()}

    with running(tmp_path, cameras, cluster__nodes=2, run__fps=10) as run:
        assert wait_for(lambda: len(run.nodes) == 2 and len(frames(run)) == 3, 240)
        shares = sorted(sorted(status.cameras) for status in run.nodes)
        assert shares == [["calm"], ["crowd", "full"]]
        assert wait_for(lambda: any(status.costs.behind for status in run.nodes), 120), "one has too little time"
        assert wait_for(lambda: run.mover is not None and bool(run.mover.moved), 120)
        assert run.mover is not None
        moved = run.mover.moved[0].partition(":")[0]
        assert moved in ("full", "crowd")
        assert wait_for(lambda: run.nodes[-1].state == "running" and moved in run.nodes[-1].cameras, 60)
        first, now = follows(run, moved).node, run.nodes[-1].node
        assert wait_for(lambda: bool(tracks(moved, now)), 60), "it is followed there"
        assert run.crew is not None
        assert not run.crew.moves, "no program was lost"
    assert len({member.machine.node_id for member in run.crew.members}) == 2
    assert not tracks(moved, first) & tracks(moved, now), "its tracks are new ones"
    check_identities(tmp_path)
