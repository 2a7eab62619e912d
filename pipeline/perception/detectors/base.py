"""What every person detector is to the rest of the pipeline, and what they share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from relaytrack.pipeline.config.schema import CameraConfig
from relaytrack.pipeline.errors import ConfigError, DetectorError
from relaytrack.pipeline.records import Detections, Floats, Frame
from relaytrack.trackers.boxes import iou


class Detector(Protocol):
    """Finds people in the frames of one batch.

    What it finds in a frame depends on that frame alone, never on which others share the batch.

    Attributes:
        provider: where it really runs, for example "CPUExecutionProvider" or "torch cuda:0".
    """

    provider: str

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Find the people of each frame.

        Args:
            frames: frames of any sizes, one or more cameras.

        Returns:
            One `Detections` per frame, in order: boxes in pixels of `frame.image`, each at least partly inside it,
            best score first. Networks cut their boxes to the picture.

        Raises:
            DetectorError: the detector cannot serve this frame.
        """
        ...


@runtime_checkable
class KnowsCameras(Protocol):
    """A detector that needs something of each camera before its first frame, such as a file."""

    def take_camera(self, camera: CameraConfig) -> None:
        """A camera joins the run, or has other settings.

        Raises:
            DetectorError: the detector cannot serve it; the message names it.
        """


def introduce(detector: Detector, camera: CameraConfig) -> None:
    """Have a detector read what it needs of a camera that joins a run.

    Raises:
        ConfigError: it cannot serve the camera.
    """
    if isinstance(detector, KnowsCameras):
        try:
            detector.take_camera(camera)
        except DetectorError as error:
            raise ConfigError(str(error)) from error


def greedy_keep(suppresses: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Greedy suppression without a loop over boxes.

    A box is kept when no better **kept** box suppresses it. The rule is applied to all boxes at once until
    nothing changes: the first k boxes are settled after k rounds at the latest, so the fixed point is unique and
    equals the sequential algorithm; in practice it takes a handful of rounds.

    Args:
        suppresses: (N, N), entry [i, j] says that box i removes box j; best box first.

    Returns:
        (N,) which boxes stay.
    """
    better = np.triu(suppresses, 1)
    keep: NDArray[np.bool_] = np.ones(len(better), bool)
    while True:
        after: NDArray[np.bool_] = ~np.any(better & keep[:, None], axis=0)
        if np.array_equal(after, keep):
            return keep
        keep = after


def suppress(found: Detections, iou_threshold: float, max_people: int, candidates: int = 1000) -> Detections:
    """Greedy non-maximum suppression.

    Args:
        found: any boxes; scores in any order.
        iou_threshold: of two boxes that overlap more than this, the one of lower score goes.
        max_people: boxes returned at the most.
        candidates: boxes looked at, best first.

    Returns:
        The boxes that stay, best score first; equal scores keep their order.
    """
    order = np.argsort(-found.scores, kind="stable")[:candidates]
    boxes, scores = found.xyxy[order], found.scores[order]
    keep = np.flatnonzero(greedy_keep(iou(boxes, boxes) > iou_threshold))[:max_people]
    return Detections(boxes[keep], scores[keep])


def clip_boxes(boxes: Floats, width: int, height: int) -> Floats:
    """Cut boxes (N, 4) xyxy to the picture; one that lies outside ends with zero width or height."""
    limit = np.array([width, height, width, height], np.float32)
    return np.clip(boxes, 0, limit).astype(np.float32, copy=False)


def inside_picture(found: Detections, width: int, height: int) -> Detections:
    """Cut the boxes to the picture and leave out those of which less than a pixel remains."""
    boxes = clip_boxes(found.xyxy, width, height)
    keep = _large_enough(boxes)
    return Detections(boxes[keep], found.scores[keep])


def reaching_into_picture(found: Detections, width: int, height: int) -> Detections:
    """The boxes as they are, without those of which less than a pixel lies in the picture."""
    keep = _large_enough(clip_boxes(found.xyxy, width, height))
    return Detections(found.xyxy[keep], found.scores[keep])


def _large_enough(boxes: Floats) -> NDArray[np.bool_]:
    """(N,) boxes of at least a pixel in each direction."""
    return np.asarray(((boxes[:, 2:] - boxes[:, :2]) >= 1).all(axis=1), bool)
