"""A site that is served while the machines of a Ray cluster follow its cameras."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from relaytrack.pipeline.cluster.cluster_engine import ClusterEngine
from relaytrack.pipeline.config.loading import load_config
from relaytrack.pipeline.server.site import open_site
from relaytrack.pipeline.server.site_file import SiteFile
from tests.support.sites import Served, answering


def walking_camera(name: str, make_video: Callable[..., Path], folder: Path, top: int = 20) -> dict[str, Any]:
    """A live camera that shows somebody who walks to the right, again and again; where they are stands in a file."""
    rows = (f"{frame},-1,{20 + 2 * frame},{top},30,70,0.9" for frame in range(1, 41))
    boxes = folder / f"{name}.txt"
    boxes.write_text("\n".join(rows) + "\n")
    video = make_video(f"{name}.mp4", frames=40, size=(160, 120))
    return {"name": name, "url": str(video), "live": True, "loop": True, "detections": str(boxes)}


@contextmanager
def served_on_cluster(folder: Path, cameras: Sequence[dict[str, Any]], **more: Any) -> Iterator[Served]:
    """Serve cameras whose people stand in files; the Ray that this process has joined follows them.

    Args:
        folder: for the site's file and memory.
        cameras: of the file.
        more: further settings, `__` for the dot.
    """
    file = folder / "site.yaml"
    file.write_text(yaml.safe_dump({"cameras": list(cameras)}))
    overrides = {
        "server.dir": str(folder / "site"),
        "server.port": 0,
        "detector.backend": "file",
        "run.device": "cpu",
        "run.threads": 1,
        "run.fps": 5,
        "cluster.dir": str(folder / "nodes"),
        "cluster.patience": 20,  # of a busy machine
        "cluster.num_cpus": 0.5,
        **{key.replace("__", "."): value for key, value in more.items()},
    }
    site = open_site(
        load_config(file, overrides=overrides), SiteFile(file, folder / "history"), make=partial(ClusterEngine)
    )
    try:
        with answering(site, file) as running:
            yield running
    finally:
        site.abandon()
