"""Brings the nodes' results together in one folder, as a run on one machine leaves it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.dates import free_path
from relaytrack.pipeline.palette import IdentityColors, Rgb
from relaytrack.pipeline.results.embeddings import EMBEDDINGS, read_marked_embeddings, write_embeddings
from relaytrack.pipeline.results.events_file import NAME as EVENTS
from relaytrack.pipeline.results.events_file import read_events
from relaytrack.pipeline.results.folder import prepare_output, write_atomically, write_bytes
from relaytrack.pipeline.results.identities import NAME, CameraRecord, TrackRecord, read_identities
from relaytrack.pipeline.results.identities_writing import write_identities
from relaytrack.pipeline.results.run_file import RUN_FILE, read_run_file, write_run_file
from relaytrack.pipeline.sources import is_live

TEXT = ("tracks/", "global/", "hidden/")
_READ_FIRST = (NAME, EMBEDDINGS, EVENTS, RUN_FILE)
_WANTED = {"text": TEXT, "crops": (*TEXT, "crops/"), "all": (*TEXT, "crops/", "video/")}


@dataclass(frozen=True, slots=True)
class NodeResults:
    """How to get at a node's results.

    Attributes:
        node: its name.
        files: names of the files, relative to its folder.
        read: a piece of a file from a place on, b"" at its end.
    """

    node: str
    files: Sequence[str]
    read: Callable[[str, int], bytes]

    def whole(self, name: str) -> bytes:
        """A whole file."""
        pieces, start = [], 0
        while piece := self.read(name, start):
            pieces.append(piece)
            start += len(piece)
        return b"".join(pieces)

    def copy(self, name: str, folder: Path, *, beside: bool = False) -> None:
        """Write a file below `folder`; `beside` one that is there of the same name, not over it."""
        path = folder / name
        write_bytes(free_path(path) if beside else path, self.whole(name), durable=False)


def gather(
    config: Config,
    nodes: Sequence[NodeResults],
    colors: Mapping[int, Rgb],
    told: Mapping[tuple[str, int], int] | None = None,
) -> Path:
    """Fetch the nodes' results into the output folder.

    If two nodes followed a recording, the later one has all of it, because it began again. If a live camera moved,
    each node has a part.

    Args:
        config: the whole site's.
        nodes: who has results, in the order in which they began.
        colors: the colours of the identities that were shown.
        told: (camera, track) -> identity, where the identity service knows better than the node.

    Returns:
        The output folder.

    Raises:
        OutputError: a file cannot be written.
    """
    out = prepare_output(config)
    kinds = _WANTED[config.cluster.collect]
    cameras: dict[str, CameraRecord] = {}
    tracks: list[tuple[TrackRecord, int]] = []
    vectors: dict[tuple[str, int], Any] = {}
    events: list[dict[str, Any]] = []
    infos: list[dict[str, Any]] = []
    zero = network = None
    live = {camera.name for camera in config.cameras if is_live(camera, config.run)}
    for node in nodes:
        for name in node.files:
            if name.startswith(kinds) and not _of_identity(name) and not name.startswith("video/mosaic"):
                node.copy(name, out, beside=_of_camera(name, live))
        with tempfile.TemporaryDirectory() as folder:
            for name in set(_READ_FIRST) & set(node.files):
                node.copy(name, Path(folder))
            if NAME in node.files:
                known = read_identities(Path(folder))
                again = known.cameras.keys() - live
                tracks = [row for row in tracks if row[0].camera not in again] + known.tracks
                for name, about in known.cameras.items():
                    cameras[name] = cameras[name].followed_by(about) if name in cameras.keys() & live else about
                zero = known.clock_zero if zero is None else zero
            if EMBEDDINGS in node.files:
                keys, rows, mark = read_marked_embeddings(Path(folder) / EMBEDDINGS)
                vectors |= dict(zip(keys, rows, strict=True))
                network = network or mark
            events += read_events(Path(folder))
            if RUN_FILE in node.files:
                infos.append(read_run_file(Path(folder)))
    if told:
        tracks = [(record, told.get((record.camera, record.track), identity)) for record, identity in tracks]
    order = {camera.name: CameraRecord() for camera in config.cameras}
    if config.cluster.collect == "text":
        for record, _ in tracks:
            record.crops.clear()
    if vectors:  # first: the grounds of the identities come from them
        write_embeddings(out / EMBEDDINGS, list(vectors), np.stack(list(vectors.values())), network)
    write_identities(
        out,
        {name: cameras.get(name, record) for name, record in order.items()},
        tracks,
        clock_zero=zero,
        colors=IdentityColors(dict(colors)),
    )
    if events:
        lines = (json.dumps(event, separators=(",", ":"), ensure_ascii=False) + "\n" for event in _by_time(events))
        write_atomically(out / EVENTS, "".join(lines))
    _write_info(out, config, infos)
    return out


def _of_camera(name: str, cameras: Collection[str]) -> bool:
    """Whether a file, as tracks/CAMERA/DATE.txt, is one of these cameras'."""
    parts = Path(name).parts
    return len(parts) == 3 and parts[1] in cameras


def _of_identity(name: str) -> bool:
    """Whether a file is an identity's picture, which is chosen anew among all nodes' crops."""
    return name.startswith("crops/") and name.count("/") == 1


def _by_time(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """All nodes' events in order; that an identity is new is told once."""
    known: set[int] = set()
    found = []
    for event in sorted(events, key=lambda event: float(event.get("time", 0.0))):
        if event.get("event") == "identity":
            if event["identity"] in known:
                continue
            known.add(event["identity"])
        found.append(event)
    return found


def _write_info(out: Path, config: Config, infos: Sequence[dict[str, Any]]) -> None:
    """run.json: of the first node, with all cameras and the sums of all stages."""
    if not infos:
        return
    cameras = {name: about for info in infos for name, about in info.get("cameras", {}).items()}
    stages: dict[str, dict[str, float]] = {}
    for info in infos:
        for name, figures in info.get("stages", {}).items():
            sums = stages.setdefault(name, dict.fromkeys(figures, 0.0))
            for key, value in figures.items():
                sums[key] = round(sums.get(key, 0.0) + value, 4)
    data = {
        **infos[0],
        "final": all(info.get("final") for info in infos),
        "cameras": {camera.name: cameras.get(camera.name, {}) for camera in config.cameras},
        "stages": stages,
        "config": config.public(),
        "nodes": [{key: info.get(key) for key in ("versions", "started", "seconds", "networks")} for info in infos],
    }
    write_run_file(out, data)
