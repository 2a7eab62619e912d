"""Runs on a cluster whose results also go to a shared folder."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from support.cluster_site import site

from relaytrack.pipeline.cli.main import main
from relaytrack.pipeline.cluster import cluster_run
from relaytrack.pipeline.cluster.cluster_run import ClusterRun
from relaytrack.pipeline.config.loading import load_config
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.dates import by_start
from tests.support.cluster_served import served_on_cluster, walking_camera
from tests.support.sites import settled
from tests.support.world import wait_for

pytestmark = [pytest.mark.needs("ray"), pytest.mark.timeout(600)]


def part_of(shared: Path) -> Path:
    """The one start's part."""
    (found,) = (path for _, path in by_start(shared.iterdir()))
    return found


def files(folder: Path, kind: str = "") -> dict[str, bytes]:
    """The files below a folder of results, by name."""
    found = (path for path in (folder / kind).rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_a_shared_folder_holds_a_whole_run_that_can_be_searched_corrected_and_forgotten_in(
    samples: Path, tmp_path: Path, alone: dict[str, bytes], ray_cluster: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    out, shared = tmp_path / "run", tmp_path / "shared"
    more = {"output__video": True, "output__mosaic": False, "output__report": True, "cluster__share": str(shared)}
    run = ClusterRun(site(samples, tmp_path, cluster__nodes=2, **more))
    run.run()
    assert run.crew is not None
    assert len({member.machine.node_id for member in run.crew.members}) == 2
    part = part_of(shared)
    there = files(part)
    assert {name: there[name] for name in alone if "/" in name} == {n: d for n, d in alone.items() if "/" in n}
    assert {f"video/{camera}.mp4" for camera in ("east", "west", "late")} <= there.keys()
    assert files(out, "crops").items() <= there.items()
    assert {"report.html", "run.json", "identities.json", "embeddings.npz", "events.jsonl"} <= there.keys()
    assert there["identities.json"] == (out / "identities.json").read_bytes()

    known = json.loads(there["identities.json"])["identities"]
    person = next(one for one in known if len(one["cameras"]) > 1)
    picture = str(out / person["tracks"][0]["crops"][0]["file"])
    assert main(["search", "--run", str(part), "--image", picture, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["identity"] == person["id"]
    assert main(["forget", "--run", str(out), str(person["id"]), "--videos", "delete"]) == 0
    assert f"at {part}, too" in capsys.readouterr().out
    for folder in (out, part):
        left = json.loads((folder / "identities.json").read_text())["identities"]
        assert {one["id"] for one in left} == {one["id"] for one in known} - {person["id"]}
        crops = {crop["file"] for track in person["tracks"] for crop in track["crops"]}
        assert crops
        assert not crops & files(folder, "crops").keys()
    assert not [camera for camera in person["cameras"] if (part / f"video/{camera}.mp4").exists()]


def test_segments_of_live_cameras_come_while_the_run_goes_on(samples: Path, tmp_path: Path, ray_cluster: Any) -> None:
    cameras = [{"name": n, "url": str(samples / f"{n}.mp4"), "live": True, "loop": True} for n in ("east", "west")]
    changed = {
        "run.fps": 3,
        "run.device": "cpu",
        "run.threads": 1,
        "output.dir": str(tmp_path / "run"),
        "output.report": False,
        "output.segment_minutes": 0.05,
        "cluster.dir": str(tmp_path / "nodes"),
        "cluster.share": str(tmp_path / "shared"),
        "cluster.nodes": 2,
        "cluster.num_cpus": 0.5,
        "cluster.patience": 20,
    }
    run = ClusterRun(load_config(data={"cameras": cameras}, overrides=changed))
    following = threading.Thread(target=run.run)
    following.start()

    def segments(folder: Path) -> set[str]:
        return {name for kind in ("video", "tracks", "global") for name in files(folder, kind) if "mosaic" not in name}

    try:
        assert wait_for(lambda: (tmp_path / "shared").exists() and list((tmp_path / "shared").iterdir()), 240)
        part = part_of(tmp_path / "shared")
        assert wait_for(lambda: len({name.split("/")[1] for name in segments(part) if "video" in name}) == 2, 120)
        assert following.is_alive()
    finally:
        run.stop()
        following.join(120)
    nodes = {name: data for folder in (tmp_path / "nodes").iterdir() for name, data in files(folder).items()}
    mine = {
        name for name in nodes if name.split("/")[0] in ("video", "tracks", "global", "crops") and "mosaic" not in name
    }
    mine = {name for name in mine if name.count("/") == 2}
    assert mine
    there = files(part)
    assert {name: there.get(name) for name in mine} == {name: nodes[name] for name in mine}
    assert there["identities.json"] == (tmp_path / "run/identities.json").read_bytes()


def test_who_is_forgotten_on_a_served_site_goes_from_the_shared_folder(tmp_path: Path, ray_cluster: Any) -> None:
    shared = tmp_path / "shared"
    more = {
        "cluster__share": str(shared),
        "cluster__nodes": 1,
        "output__dir": str(tmp_path / "recordings"),
        "output__segment_minutes": 0.05,
    }
    with served_on_cluster(tmp_path, [walking_camera("door", tmp_path)], **more) as site:
        person = settled(site)["identity"]

        def shown() -> set[str]:
            rows = [data.decode() for name, data in files(part_of(shared)).items() if "/global/" in name]
            return {line.split(",")[1] for text in rows for line in text.splitlines()}

        assert wait_for(lambda: str(person) in shown(), 60)
        assert wait_for(lambda: any("/video/" in name for name in files(part_of(shared))), 60)
        assert site.http.delete(f"/api/v1/people/{person}").status_code in (202, 204)
        assert wait_for(lambda: str(person) not in shown(), 60)
        lists = {name: data for name, data in files(part_of(shared)).items() if name.endswith("identities.json")}
        assert lists
        assert all(f'"id":{person},' not in data.decode().replace(" ", "") for data in lists.values())


def test_a_place_that_is_another_one_on_a_machine_is_refused(
    samples: Path, tmp_path: Path, ray_cluster: Any, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = cluster_run.begin_share

    def unmounted(config: Config) -> Config:
        """On the machines that follow cameras the folder is an empty one."""
        config = begin(config)
        shutil.rmtree(str(config.cluster.share))
        return config

    monkeypatch.setattr(cluster_run, "begin_share", unmounted)
    words = ["run", "--source", str(samples / "east.mp4"), "--cluster", ray_cluster.address, "--device", "cpu"]
    words += ["--out", str(tmp_path / "out"), "--set", f"cluster.dir={tmp_path / 'nodes'}"]
    assert main([*words, "--set", f"cluster.share={tmp_path / 'shared'}"]) == 2
    told = capfd.readouterr().err
    (line,) = [line for line in told.splitlines() if line.startswith("relaytrack: error:")]
    assert "cluster.share: not the same place here as where the run was started (mounted?)" in line
    assert not (tmp_path / "out").exists()
    assert not list((tmp_path / "shared").iterdir()), "a run that did not begin leaves nothing there"
    assert main([*words, "--set", "cluster.share=abc://bucket/site"]) == 2
    assert "error: cluster.share: fsspec knows no protocol 'abc'" in capfd.readouterr().err
