"""`video/<camera>.mp4`: every camera's pictures with what was found drawn on them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np

from relaytrack.pipeline.config.schema import CameraConfig
from relaytrack.pipeline.errors import OutputError
from relaytrack.pipeline.render.encoder import Encoder
from relaytrack.pipeline.results.correction import Correction
from relaytrack.pipeline.results.folder import writing
from relaytrack.pipeline.results.recordings import RecordingIndex
from relaytrack.pipeline.sinks.base import Step
from relaytrack.pipeline.sinks.segments import Segments

ROOM = 50_000_000
"""Bytes that must be free before recordings begin again."""
OpenEncoder = Callable[[Path], Encoder]


class VideoSink:
    """One video per camera, each starting with the camera's own first frame; those of a live run have an index.

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
        self._index = None if segment is None else RecordingIndex(folder)
        self._waiting = False  # for room
        self._newest: dict[str, float] = {}  # moment of each camera's last picture, seconds since 1970

    def write(self, step: Step) -> None:
        """Encode the step's drawn pictures.

        Raises:
            OutputError: a file cannot be written.
        """
        self._wait_for_room()
        for tracks in step:
            camera = tracks.frame.camera
            image = step.drawn.get(camera)
            if image is None or (self._only is not None and camera not in self._only):
                continue
            single = self._folder / f"{camera}.mp4"
            path = self._segments.setdefault(camera, Segments(single, self._segment)).next_path(tracks.frame)
            epoch = time.time() if tracks.frame.epoch is None else tracks.frame.epoch
            if path is not None:
                self._complete(camera)
                self._encoders[camera] = self._open(path)
                if self._index is not None:
                    self._index.begin(path, camera, epoch)
            encoder = self._encoders[camera]
            if encoder.size is not None and encoder.size != (image.shape[1], image.shape[0]):
                # a camera that came back with another resolution: its file goes on in the old one
                image = np.asarray(cv2.resize(image, encoder.size, interpolation=cv2.INTER_AREA), np.uint8)
            encoder.write(image, tracks.frame.time)
            self._newest[camera] = epoch

    def _complete(self, camera: str) -> None:
        """Close a camera's file, if there is one."""
        encoder = self._encoders.pop(camera, None)
        if encoder is None:
            return
        encoder.close()
        if self._index is not None and camera in self._newest:
            self._index.end(encoder.path, self._newest[camera])

    def resume(self) -> None:
        """After a failure: what reached the disk stays, and every camera goes on in a new file."""
        for camera in list(self._encoders):
            with suppress(OutputError):
                self._complete(camera)
        self._segments.clear()
        self._waiting = True

    def _wait_for_room(self) -> None:
        """After a failure: begin no file while there is hardly room for one; the folder may be gone by now.

        Raises:
            OutputError: there is not, or the disk cannot be asked.
        """
        if self._waiting:
            there = next(path for path in (self._folder, *self._folder.absolute().parents) if path.exists())
            with writing(self._folder):
                free = shutil.disk_usage(there).free
            if free < ROOM:
                raise OutputError(f"{self._folder}: the disk is full")
        self._waiting = False

    def camera_added(self, camera: CameraConfig) -> None:
        """Its video begins with its first frame."""

    def camera_removed(self, name: str) -> None:
        """Complete the camera's video."""
        if self._segment is not None:
            self._segments.pop(name, None)
            self._complete(name)

    def corrected(self, correction: Correction) -> None:
        """Complete the files that show a person who is forgotten, so that they can be covered."""
        if correction.kind == "forget":
            for name in {camera for camera, _ in correction.tracks}:
                self.camera_removed(name)

    def close(self) -> None:
        """Complete all files, also after one fails.

        Raises:
            OutputError: the first failure.
        """
        failure: Exception | None = None
        for camera in list(self._encoders):
            try:
                self._complete(camera)
            except Exception as error:
                failure = failure or error
        if failure is not None:
            raise failure
