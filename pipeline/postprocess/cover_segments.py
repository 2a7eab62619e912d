"""Covering a person in the videos of a live run, whose sources are gone.

A video holds no frame numbers, so that a box cannot be laid over the right picture for sure. The pictures of the time
in which somebody was seen are blackened as a whole.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import av
import av.error
import numpy as np

from relaytrack.pipeline.dates import stamped
from relaytrack.pipeline.errors import OutputError
from relaytrack.pipeline.media import file_address
from relaytrack.pipeline.render.encoder import Encoder
from relaytrack.pipeline.results.correction import Correction, segments_of
from relaytrack.pipeline.results.folder import writing
from relaytrack.pipeline.results.result_names import PARTIAL

MOSAIC = "mosaic"


def cover_segments(folder: Path, correction: Correction) -> int:
    """Blacken, or delete, what shows a forgotten person; the segments are complete, nobody writes to them.

    Returns:
        How many videos were changed.

    Raises:
        OutputError: a video cannot be read or written.
    """
    cameras = {camera for camera, _ in correction.tracks}
    everything = correction.spans(cameras)
    count = 0
    for name in (*sorted(cameras), MOSAIC):
        spans = everything if name == MOSAIC else correction.spans([name])
        for path in segments_of(folder / "video" / name, spans):
            if correction.delete_videos:
                with writing(path, "delete"):
                    path.unlink(missing_ok=True)
                count += 1
            else:
                count += _blacken(path, spans)
    return count


def _blacken(path: Path, spans: list[tuple[float, float]]) -> bool:
    """Whether there was anything to blacken."""
    start = stamped(path.stem)
    if start is None:
        return False
    partial = path.with_name(path.name + PARTIAL)
    encoder = Encoder(partial, fragmented=False)
    found = False
    try:
        try:
            with av.open(file_address(path)) as given:
                for frame in given.decode(video=0):
                    time = float(frame.time or 0.0)
                    image = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
                    if any(first <= start + time <= last for first, last in spans):
                        image, found = np.zeros_like(image), True
                    encoder.write(image, time)
        except FileNotFoundError:  # the disk limit took it
            return False
        except (av.error.FFmpegError, IndexError):  # cut off by a kill: what plays up to there is kept
            found = True
        encoder.close()
        if found:
            with writing(path):
                if partial.exists():
                    os.replace(partial, path)
                else:
                    path.unlink(missing_ok=True)  # nothing of it plays
    finally:
        with suppress(OutputError):
            encoder.close()
        partial.unlink(missing_ok=True)
    return found
