"""What the pipeline expects of a tracker, and how a tracker of another project is used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from relaytrack.pipeline.errors import InputError
from relaytrack.pipeline.foreign import told_by_name
from relaytrack.pipeline.records import Floats, Ints
from relaytrack.trackers import Backfill, DeepSort
from relaytrack.trackers.boxes import iou

_SAME = 0.3  # intersection over union from which a track's box and a detection are one person's


class Tracker(Protocol):
    """Follows the people of one camera.

    `trackers.DeepSort` is one. A tracker of another project needs this method only.
    """

    def update(self, xyxy: Floats, scores: Floats, embeddings: Floats | None, time: float) -> Any:
        """Take in the next frame's detections.

        Args:
            xyxy: (N, 4) float32 boxes in pixels of the frame.
            scores: (N,) float32.
            embeddings: (N, D) float32, a row of NaN where there is none.
            time: seconds, ascending.

        Returns:
            The tracks to show: an object with `ids` (M,) whole numbers above 0, each once, and `xyxy` (M, 4), and
            where it knows them `indices` (M,), which detection each comes from (-1: none). Or an array (M, 5) or wider
            of x1, y1, x2, y2, id; further columns are not read.
        """


@dataclass(frozen=True, slots=True)
class Tracked:
    """A tracker's answer for one frame.

    Attributes:
        ids: (M,) int64; xyxy: (M, 4) float32.
        indices: (M,) int64, the detection that each track was updated with; -1 where none is known.
        earlier: boxes of before a track was confirmed, known only now; None where a tracker has none.
    """

    ids: Ints
    xyxy: Floats
    indices: Ints
    earlier: Backfill | None = None


def run_tracker(
    tracker: Tracker,
    xyxy: Floats,
    scores: Floats,
    embeddings: Floats,
    time: float,
    *,
    frame_size: tuple[int, int] | None,
    warp: NDArray[np.float64] | None,
) -> Tracked:
    """Give a frame to a tracker of any kind.

    Raises:
        TrackerError: from `DeepSort`.
        InputError: another tracker failed, or what it returned cannot be read.
    """
    vectors = embeddings if embeddings.shape[1] else None
    if isinstance(tracker, DeepSort):
        found = tracker.update(xyxy, scores, vectors, time, frame_size=frame_size, warp=warp)
        shown = ~found.coasting
        return Tracked(found.ids[shown], found.xyxy[shown], found.indices[shown], tracker.pop_backfill())
    with told_by_name("tracker", tracker):
        answer = tracker.update(xyxy, scores, vectors, time)
    return _read(answer, xyxy, type(tracker).__name__)


def _read(answer: Any, xyxy: Floats, name: str) -> Tracked:
    """Make one shape of what trackers return."""
    try:
        if hasattr(answer, "ids"):
            ids = _whole(answer.ids)
            boxes = np.asarray(answer.xyxy, np.float32).reshape(-1, 4)
            indices = getattr(answer, "indices", None)
        else:
            table = np.asarray(answer, np.float64)
            table = table.reshape(0, 5) if table.size == 0 else table
            ids, boxes, indices = _whole(table[:, 4]), table[:, :4].astype(np.float32), None
        if indices is None:
            indices = _nearest(boxes, xyxy)
        indices = _whole(indices)
    except (ValueError, TypeError, IndexError, AttributeError) as error:
        raise InputError(f"tracker {name}: its answer cannot be read ({error})") from None
    if not len(ids) == len(boxes) == len(indices):
        raise InputError(f"tracker {name}: {len(ids)} ids, {len(boxes)} boxes and {len(indices)} indices")
    if not np.isfinite(boxes).all():
        raise InputError(f"tracker {name}: a side of a box is not a finite number")
    if len(ids) and (ids.min() < 1 or len(np.unique(ids)) != len(ids)):
        raise InputError(f"tracker {name}: ids must be above 0 and each occur once in a frame")
    if len(indices) and (indices.min() < -1 or indices.max() >= len(xyxy)):
        raise InputError(f"tracker {name}: an index names no detection")
    order = np.argsort(ids, kind="stable")
    return Tracked(ids[order], boxes[order], indices[order])


def _whole(values: Any) -> Ints:
    """Numbers (M,) as int64.

    Raises:
        ValueError: one is not whole, or too large to be a number of a track.
    """
    numbers = np.asarray(values, np.float64).reshape(-1)
    whole = (np.abs(numbers) < 2**53) & (numbers == np.floor(numbers))
    if not whole.all():
        raise ValueError(f"{numbers[~whole][0]:g} is no whole number")
    return numbers.astype(np.int64)


def _nearest(boxes: Floats, detections: Floats) -> Ints:
    """The detection that each box (M, 4) overlaps most, -1 where none overlaps enough."""
    if not len(boxes) or not len(detections):
        return np.full(len(boxes), -1, np.int64)
    overlap = iou(boxes, detections)
    best = overlap.argmax(axis=1)
    return np.where(overlap.max(axis=1) >= _SAME, best, -1).astype(np.int64)
