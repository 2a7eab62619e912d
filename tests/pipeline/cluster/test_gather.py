"""What several programs have written is one run's folder in the end."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from relaytrack.pipeline.cluster.gather import NodeResults, gather
from relaytrack.pipeline.cluster.node_files import NodeFiles
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.results.embeddings import EMBEDDINGS, read_marked_embeddings, write_embeddings
from relaytrack.pipeline.results.events_file import NAME as EVENTS
from relaytrack.pipeline.results.events_file import read_events
from relaytrack.pipeline.results.identities import CameraRecord, TrackRecord, read_identities
from relaytrack.pipeline.results.identities_writing import write_identities

MARK = np.arange(8, dtype=np.float16).tobytes()


def results(folder: Path, camera: str, identity: int, network: bytes | None, frames: int = 20) -> NodeResults:
    """What a program left that followed one camera, in which one person was: track 1."""
    files = {
        f"tracks/{camera}.txt": "1,1,1,1,9,9,1,-1,-1,-1\n",
        f"global/{camera}.txt": f"1,{identity},1,1,9,9,1,-1,-1,-1\n",
        f"video/{camera}.mp4": "video",
        "video/mosaic.mp4": "of this program's cameras only",
        f"crops/{camera}/1-1.jpg": "picture",
        "run.json": json.dumps({"final": True, "cameras": {camera: {"frames": frames}}, "stages": {}}),
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    record = TrackRecord(camera, 1, 0.0, 2.0, frames, [[0.0, 2.0]])
    record.crops.append({"time": 1.0, "quality": 3.0, "file": f"crops/{camera}/1-1.jpg"})
    write_identities(folder, {camera: CameraRecord(frames, 0.0, 2.0, frames)}, [(record, identity)])
    write_embeddings(folder / EMBEDDINGS, [(camera, 1)], np.array([[0.6, 0.8]], np.float32), network)
    event = {"event": "identity", "time": float(frames), "camera": camera, "track": 1, "identity": identity}
    (folder / EVENTS).write_text(json.dumps(event) + "\n")
    known = NodeFiles(str(folder), folder.name)
    return NodeResults(folder.name, known.names(), known.read)


def config(tmp_path: Path, collect: str = "crops") -> Config:
    cameras = [{"url": str(tmp_path / f"{name}.mp4"), "name": name} for name in ("east", "west")]
    return Config.model_validate(
        {"cameras": cameras, "output": {"dir": str(tmp_path / "out")}, "cluster": {"collect": collect}}
    )


@pytest.mark.parametrize("marks", [(MARK, MARK), (None, MARK), (None, None)])
def test_the_run_knows_the_network_that_described_its_people(
    marks: tuple[bytes | None, bytes | None], tmp_path: Path
) -> None:
    nodes = [
        results(tmp_path / name, name, identity, mark)
        for (identity, name), mark in zip(enumerate(("east", "west"), start=1), marks, strict=True)
    ]
    keys, vectors, mark = read_marked_embeddings(gather(config(tmp_path), nodes, {}) / EMBEDDINGS)
    assert (sorted(keys), vectors.shape) == ([("east", 1), ("west", 1)], (2, 2))
    assert mark == marks[1]


def test_each_camera_is_whole_and_a_person_is_new_once(tmp_path: Path) -> None:
    nodes = [results(tmp_path / "n1", "west", 7, MARK), results(tmp_path / "n2", "east", 7, MARK, frames=10)]
    out = gather(config(tmp_path), nodes, {7: (1, 2, 3)})
    known = read_identities(out)
    assert list(known.cameras) == ["east", "west"], "in the order of the configuration"
    assert [known.cameras[name].frames for name in known.cameras] == [10, 20]
    assert {(one.camera, one.track, who) for one, who in known.tracks} == {("east", 1, 7), ("west", 1, 7)}
    assert known.colors[7] == (1, 2, 3)
    assert [event["camera"] for event in read_events(out)] == ["east"], "the first in time"
    found = {path.relative_to(out).as_posix() for path in out.rglob("*.*")}
    assert {"tracks/east.txt", "global/west.txt", "crops/east/1-1.jpg", "crops/7.jpg"} <= found
    assert not any(name.startswith("video/") for name in found)
    assert json.loads((out / "run.json").read_text())["cameras"] == {"east": {"frames": 10}, "west": {"frames": 20}}


def test_the_identity_service_has_the_last_word(tmp_path: Path) -> None:
    nodes = [results(tmp_path / "n1", "west", 7, MARK), results(tmp_path / "n2", "east", 8, MARK)]
    out = gather(config(tmp_path), nodes, {}, {("east", 1): 7})
    assert {who for _, who in read_identities(out).tracks} == {7}


def test_text_alone_lists_no_pictures_and_all_brings_the_cameras_own_videos(tmp_path: Path) -> None:
    nodes = [results(tmp_path / "n1", "west", 7, MARK)]
    out = gather(config(tmp_path, "text"), nodes, {})
    assert not (out / "crops").exists()
    assert all(not one.crops for one, _ in read_identities(out).tracks)
    whole = config(tmp_path / "whole", "all")
    assert sorted(path.name for path in (gather(whole, nodes, {}) / "video").iterdir()) == ["west.mp4"]
