"""Detections that were made before: a MOTChallenge `det.txt` per camera instead of a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from relaytrack.pipeline.config.schema import CameraConfig, Config
from relaytrack.pipeline.errors import DetectorError
from relaytrack.pipeline.perception.detectors.base import reaching_into_picture
from relaytrack.pipeline.records import Detections, Floats, Frame
from relaytrack.trackers.errors import TrackerInputError
from relaytrack.trackers.mot_table import read_table

_COLUMNS = 7
_MOST = 1e9  # a frame's number, pixels or a score


@dataclass(frozen=True, slots=True)
class _BoxFile:
    """One camera's file, sorted by frame, then best score first; boxes in pixels of the source's full picture."""

    frames: NDArray[np.int64]
    xyxy: Floats
    scores: Floats


class RecordedDetections:
    """The detector. See `relaytrack.pipeline.perception.detectors.base.Detector`.

    Args:
        config: the whole configuration; every camera names its file in `detections`. Columns: frame (1-based, the
            source's own number), id (not read), left, top, width, height (pixels of the source's full picture),
            confidence; further columns are not read. Scores above 1 are taken as 1. A box that reaches beyond the
            picture stays whole: so do those of annotations.

    Raises:
        DetectorError: a camera without a file, or a file that is missing or not of this form; the message names
            camera and file.
    """

    provider = "file"

    def __init__(self, config: Config) -> None:
        self._threshold = config.detector.score_threshold
        self._most = config.detector.max_people
        self._tables = {camera.name: _read(camera) for camera in config.cameras}

    def take_camera(self, camera: CameraConfig) -> None:
        """Read the file of a camera that joins the run.

        Raises:
            DetectorError: as at the start.
        """
        self._tables[camera.name] = _read(camera)

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Look the frames up; see `Detector.detect`. A frame that the file does not name has no people."""
        return [self._look_up(frame) for frame in frames]

    def _look_up(self, frame: Frame) -> Detections:
        table = self._tables.get(frame.camera)
        if table is None:
            raise DetectorError(f"camera {frame.camera!r}: no detections file (cameras: detections)")
        start, end = np.searchsorted(table.frames, [frame.index, frame.index + 1])
        keep = table.scores[start:end] >= self._threshold
        boxes = table.xyxy[start:end][keep] - np.array([*frame.origin, *frame.origin], np.float32)
        height, width = frame.image.shape[:2]
        found = reaching_into_picture(Detections(boxes, table.scores[start:end][keep]), width, height)
        return Detections(found.xyxy[: self._most], found.scores[: self._most])


def _read(camera: CameraConfig) -> _BoxFile:
    """Read one camera's file."""
    if not camera.detections:
        raise DetectorError(f"camera {camera.name!r}: detector.backend is 'file', but it names no detections file")
    where = f"camera {camera.name!r}: "
    try:
        rows, numbers = read_table(Path(camera.detections), _COLUMNS)
    except TrackerInputError as error:
        raise DetectorError(where + str(error)) from None
    read = rows[:, [0, 2, 3, 4, 5, 6]]
    for bad, reason in (
        (~np.isfinite(read).all(axis=1), "a value that is not a number"),
        ((read[:, 0] < 1) | (read[:, 0] % 1 != 0), "frame numbers are whole and begin at 1"),
        ((np.abs(read) > _MOST).any(axis=1), "a number beyond 1e9"),
    ):
        if bad.any():
            raise DetectorError(f"{where}{camera.detections}:{numbers[int(np.argmax(bad))]}: {reason}")
    rows = rows[np.lexsort((-rows[:, 6], rows[:, 0]))]
    boxes = np.concatenate([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]], 1)
    return _BoxFile(rows[:, 0].astype(np.int64), boxes.astype(np.float32), np.clip(rows[:, 6], 0, 1).astype(np.float32))
