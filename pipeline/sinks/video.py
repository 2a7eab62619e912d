"""`video/<camera>.mp4`: every camera's pictures with what was found drawn on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from relaytrack.pipeline.clock import WallClock
from relaytrack.pipeline.render.annotator import Annotator
from relaytrack.pipeline.render.encoder import Encoder
from relaytrack.pipeline.sinks.base import Step
from relaytrack.pipeline.sinks.segments import Segments

OpenEncoder = Callable[[Path], Encoder]


class VideoSink:
    """One video per camera, each starting with the camera's own first frame.

    Args:
        folder: `DIR/video`.
        cameras: whose videos to write; frames of others are passed over.
        annotator: draws the pictures.
        encoder: opens an encoder for a path.
        segment: seconds per file of a live run; None for one file.
        clock: names the segments.
    """

    def __init__(
        self,
        folder: Path,
        cameras: Sequence[str],
        annotator: Annotator,
        encoder: OpenEncoder = Encoder,
        *,
        segment: float | None = None,
        clock: WallClock | None = None,
    ) -> None:
        clock = clock or WallClock()
        self._segments = {name: Segments(folder / f"{name}.mp4", segment, clock) for name in cameras}
        self._annotator = annotator
        self._open = encoder
        self._encoders: dict[str, Encoder] = {}

    def write(self, step: Step) -> None:
        """Draw and encode the step's frames.

        Raises:
            OutputError: a file cannot be written.
        """
        for tracks in step:
            camera = tracks.frame.camera
            segments = self._segments.get(camera)
            if segments is None:
                continue
            image = self._annotator.drawn(tracks)
            path = segments.next_path(tracks.frame)
            if path is not None:
                if camera in self._encoders:
                    self._encoders.pop(camera).close()
                self._encoders[camera] = self._open(path)
            encoder = self._encoders[camera]
            if encoder.size is not None and encoder.size != (image.shape[1], image.shape[0]):
                # a camera that came back with another resolution: its file goes on in the old one
                image = np.asarray(cv2.resize(image, encoder.size, interpolation=cv2.INTER_AREA), np.uint8)
            encoder.write(image, tracks.frame.time)

    def close(self) -> None:
        """Complete all files."""
        close_all(list(self._encoders.values()))


def close_all(encoders: Sequence[Encoder]) -> None:
    """Close every encoder, also after one fails.

    Raises:
        OutputError: the first failure.
    """
    failure: Exception | None = None
    for encoder in encoders:
        try:
            encoder.close()
        except Exception as error:
            failure = failure or error
    if failure is not None:
        raise failure
