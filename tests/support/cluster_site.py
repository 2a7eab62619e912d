"""A site of three cameras for runs on a cluster, and what must not change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from relaytrack.pipeline.config.loading import load_config
from relaytrack.pipeline.config.schema import Config

RESULTS = ("tracks", "global")


def site(samples: Path, folder: Path, **more: Any) -> Config:
    """Three cameras, 8 seconds at 4 frames a second."""
    cameras = [
        {"url": str(samples / "east.mp4")},
        {"url": str(samples / "west.mp4")},
        {"url": str(samples / "east.mp4"), "name": "late", "offset": 0.3},
    ]
    changed = {
        "output.dir": str(folder / "run"),
        "output.video": False,
        "output.report": False,
        "run.device": "cpu",
        "run.fps": 4,
        "run.max_seconds": 8,
        "run.threads": 1,
        "cluster.patience": 20,  # of a busy machine
        "cluster.dir": str(folder / "nodes"),
    }
    return load_config(
        data={"cameras": cameras}, overrides=changed | {key.replace("__", "."): v for key, v in more.items()}
    )


def results(folder: Path) -> dict[str, bytes]:
    """What must be the same, byte for byte."""
    names = [f"{kind}/{camera}.txt" for kind in RESULTS for camera in ("east", "west", "late")]
    return {name: (folder / "run" / name).read_bytes() for name in (*names, "identities.json")}
