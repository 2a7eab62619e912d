"""A site that is served while the machines of a Ray cluster follow its cameras."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import yaml

from relaytrack.pipeline.cluster.cluster_engine import ClusterEngine
from relaytrack.pipeline.cluster.far_live import FarLive
from relaytrack.pipeline.cluster.far_recordings import FarRecordings
from relaytrack.pipeline.config.loading import load_config
from relaytrack.pipeline.server.site_file import SiteFile
from relaytrack.pipeline.server.site_opening import open_site
from tests.support.sites import Served, answering

TOP = 20
"""Row in which the people of `walking_camera` begin; they are 30 wide and 70 tall."""


def walking_camera(name: str, folder: Path, *, there_and_back: bool = False) -> dict[str, Any]:
    """A live camera that shows somebody who walks to the right, again and again; where they are stands in a file.

    With `there_and_back` they walk back each time, so that they are one track; else they leave and somebody comes.
    """
    where = there_and_back_of if there_and_back else left_of
    boxes = folder / f"{name}.txt"
    rows = (f"{frame},-1,{where(frame)},{TOP},30,70,0.9" for frame in range(1, 40 * 300))  # 20 minutes
    boxes.write_text("\n".join(rows) + "\n")
    video = folder / f"{name}.mp4"
    noise = np.random.default_rng(7).integers(0, 255, (120, 160, 3), np.uint8)
    person = np.random.default_rng(8).integers(0, 255, (70, 30, 3), np.uint8)
    with av.open(str(video), "w") as container:
        stream: Any = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.options = {"crf": "12", "preset": "ultrafast"}
        for frame in range(1, 81 if there_and_back else 41):
            image, left = noise.copy(), where(frame)
            image[TOP : TOP + 70, left : left + 30] = person
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return {"name": name, "url": str(video), "live": True, "loop": True, "detections": str(boxes)}


def left_of(frame: int) -> int:
    """Where the person of `walking_camera` begins in a frame, counted from 1."""
    return 20 + 2 * ((frame - 1) % 40)


def there_and_back_of(frame: int) -> int:
    """The same where they walk back each time: 80 frames a round."""
    return 20 + 2 * (40 - abs((frame - 1) % 80 - 40))


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
        "run.fps": 4,
        "cluster.dir": str(folder / "nodes"),
        "cluster.patience": 20,  # of a busy machine
        "cluster.num_cpus": 0.5,
        **{key.replace("__", "."): value for key, value in more.items()},
    }
    config = load_config(file, overrides=overrides)
    there: dict[str, Any] = {"live": FarLive(), "recordings": FarRecordings()}
    site = open_site(config, SiteFile(file, folder / "history"), make=partial(ClusterEngine, **there), **there)
    try:
        with answering(site, file) as running:
            yield running
    finally:
        site.abandon()
