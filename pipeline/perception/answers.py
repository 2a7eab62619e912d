"""What a detector and an embedder answer, read before it is used: either may be somebody else's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from relaytrack.pipeline.errors import InputError
from relaytrack.pipeline.records import Detections, Floats, Frame


def read_detections(answer: Any, frames: Sequence[Frame], name: str) -> list[Detections]:
    """The people of each frame, as `Detector.detect` promises them.

    Args:
        answer: one `Detections` per frame, or objects with the same two attributes.
        frames: what the detector looked at.
        name: the detector's, for messages.

    Returns:
        One `Detections` per frame, float32, boxes in pixels of its image; those of no area are left out.

    Raises:
        InputError: there are more or fewer answers than frames, or one cannot be read; the message names the camera.
    """
    try:
        found = list(answer)
    except TypeError:
        raise InputError(f"detector {name}: detect() gave {_kind(answer)}, not a list") from None
    if len(found) != len(frames):
        raise InputError(f"detector {name}: {len(found)} answers to {len(frames)} frames; one of each is wanted")
    return [_people(one, f"detector {name}: camera {frame.camera}") for one, frame in zip(found, frames, strict=True)]


def read_embeddings(answer: Any, count: int, length: int, name: str) -> Floats:
    """(count, length) float32 embeddings.

    Raises:
        InputError: the answer has another shape, or a value is not a finite number.
    """
    try:
        vectors = np.asarray(answer, np.float32)
    except (ValueError, TypeError) as error:
        raise InputError(f"embedder {name}: its answer cannot be read ({error})") from None
    if vectors.shape != (count, length):
        raise InputError(f"embedder {name}: an array {vectors.shape} instead of {(count, length)}")
    if not np.isfinite(vectors).all():
        raise InputError(f"embedder {name}: a value is not a finite number")
    return vectors


def _people(one: Any, who: str) -> Detections:
    try:
        boxes = np.asarray(one.xyxy, np.float32)
        scores = np.asarray(one.scores, np.float32)
    except AttributeError:
        raise InputError(f"{who}: {_kind(one)} instead of Detections(xyxy, scores)") from None
    except (ValueError, TypeError) as error:
        raise InputError(f"{who}: its boxes cannot be read ({error})") from None
    if not boxes.size and not scores.size:
        return Detections.empty()
    if scores.ndim != 1 or boxes.shape != (len(scores), 4):
        raise InputError(f"{who}: boxes {boxes.shape} and scores {scores.shape} instead of (N, 4) and (N,)")
    if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
        raise InputError(f"{who}: a box or a score is not a finite number")
    sides = boxes[:, 2:] - boxes[:, :2]
    if (sides < 0).any():
        raise InputError(f"{who}: a box ends before it begins; boxes are x1, y1, x2, y2")
    keep = (sides > 0).all(axis=1)
    return Detections(boxes, scores) if keep.all() else Detections(boxes[keep], scores[keep])


def _kind(answer: Any) -> str:
    return "None" if answer is None else f"a {type(answer).__name__}"
