"""A still of a camera's scene, taken out of its annotated video."""

from __future__ import annotations

from pathlib import Path

import av
import av.error
import numpy as np

from relaytrack.pipeline.media import file_address
from relaytrack.pipeline.render.jpeg import jpeg
from relaytrack.pipeline.results.run_data import RunData
from relaytrack.pipeline.results.visits import counts

_WIDTH = 480  # pixels
_MOST_FRAMES = 300  # that are decoded to get to a moment


def stills(data: RunData, most: int = 24) -> dict[str, tuple[float, bytes]]:
    """Per camera the moment with most people in it and that picture as JPEG; cameras without a video are left out."""
    edges, table = counts(data)
    width = float(edges[1] - edges[0])
    found: dict[str, tuple[float, bytes]] = {}
    for camera in list(data.cameras)[:most]:
        record = data.cameras[camera]
        if record.first is None or record.last is None:
            continue
        busiest = float(edges[int(np.argmax(table[camera]))]) + 0.5 * width
        moment = min(max(busiest, record.first), record.last)
        place = data.video_at(camera, moment, lead=0.0)
        picture = None if place is None else frame_at(data.folder / place[0], place[1])
        if picture is not None:
            found[camera] = (moment, picture)
    return found


def frame_at(path: Path, second: float) -> bytes | None:
    """The picture of a video at a moment, or the last one before, as JPEG; None where there is none to be had."""
    picture = None
    try:
        with av.open(file_address(path)) as container:
            stream = container.streams.video[0]
            container.seek(round(second * av.time_base), backward=True)
            for number, frame in enumerate(container.decode(stream)):
                picture = frame
                if number >= _MOST_FRAMES or (frame.time is not None and frame.time >= second - 0.02):
                    break
    except (av.error.FFmpegError, OSError, ValueError, IndexError):
        pass  # a damaged end: what came before it will do
    if picture is None:
        return None
    width = min(_WIDTH, picture.width)
    small = picture.reformat(width=width, height=max(1, round(picture.height * width / picture.width)), format="rgb24")
    return jpeg(np.asarray(small.to_ndarray(), np.uint8))
