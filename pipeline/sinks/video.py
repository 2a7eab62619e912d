"""`video/<camera>.mp4`: every camera's pictures with what was found drawn on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from relaytrack.pipeline.config.schema import CameraConfig
from relaytrack.pipeline.render.encoder import Encoder
from relaytrack.pipeline.sinks.base import Step
from relaytrack.pipeline.sinks.segments import Segments

OpenEncoder = Callable[[Path], Encoder]


class VideoSink:
    """One video per camera, each starting with the camera's own first frame.

    Args:
        folder: `DIR/video`.
        encoder: opens an encoder for a path.
        only: whose videos to write; None for every camera.
        segment: seconds per file of a live run; None for one file.
    """

    name = "video"
    needs_drawn = True

    def __init__(
        self,
        folder: Path,
        encoder: OpenEncoder = Encoder,
        *,
        only: Sequence[str] | None = None,
        segment: float | None = None,
    ) -> None:
        self._folder = folder
        self._only = only
        self._segment = segment
        self._open = encoder
        self._segments: dict[str, Segments] = {}
        self._encoders: dict[str, Encoder] = {}

    def write(self, step: Step) -> None:
        """Encode the step's drawn pictures.

        Raises:
            OutputError: a file cannot be written.
        """
        for tracks in step:
            camera = tracks.frame.camera
            image = step.drawn.get(camera)
            if image is None or (self._only is not None and camera not in self._only):
                continue
            single = self._folder / f"{camera}.mp4"
            path = self._segments.setdefault(camera, Segments(single, self._segment)).next_path(tracks.frame)
            if path is not None:
                if camera in self._encoders:
                    self._encoders.pop(camera).close()
                self._encoders[camera] = self._open(path)
            encoder = self._encoders[camera]
            if encoder.size is not None and encoder.size != (image.shape[1], image.shape[0]):
                # a camera that came back with another resolution: its file goes on in the old one
                image = np.asarray(cv2.resize(image, encoder.size, interpolation=cv2.INTER_AREA), np.uint8)
            encoder.write(image, tracks.frame.time)

    def camera_added(self, camera: CameraConfig) -> None:
        """Its video begins with its first frame."""

    def camera_removed(self, name: str) -> None:
        """Complete the camera's video."""
        if self._segment is not None:
            self._segments.pop(name, None)
            if name in self._encoders:
                self._encoders.pop(name).close()

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
