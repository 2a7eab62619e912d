"""The detections of one frame, checked: degenerate boxes removed, in a fixed order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from relaytrack.trackers import boxes
from relaytrack.trackers.arrays import numbers, scores_in_range
from relaytrack.trackers.errors import TrackerInputError
from relaytrack.trackers.rows import every, some, where

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CheckedDetections:
    """N usable detections.

    Attributes:
        xyxy: (N, 4) float64 pixels.
        xyah: (N, 4) the same as (cx, cy, aspect, height).
        scores: (N,) float64.
        embeddings: (N, D) float32, L2-normalised, zero where there is none; D is 0 when no row has one.
        embedded: (N,) True where there is an embedding.
        indices: (N,) int64 rows in the caller's arrays.
        rejected: number of degenerate detections left out.
    """

    xyxy: Floats
    xyah: Floats
    scores: Floats
    embeddings: NDArray[np.float32]
    embedded: NDArray[np.bool_]
    indices: NDArray[np.int64]
    rejected: int

    def __len__(self) -> int:
        """Number of detections."""
        return len(self.scores)

    @staticmethod
    def of(
        xyxy: ArrayLike,
        scores: ArrayLike,
        embeddings: ArrayLike | None,
        frame_size: tuple[float, float] | None = None,
    ) -> CheckedDetections:
        """Check the caller's arrays and take the usable rows, sorted so that their order does not matter.

        Raises:
            TrackerInputError: shapes that do not fit together, what is no number, a score outside 0..1.
        """
        all_boxes = _shaped(xyxy, "xyxy", (-1, 4))
        all_scores = scores_in_range(_shaped(scores, "scores", (len(all_boxes),)))
        usable = boxes.usable(all_boxes, frame_size) & np.isfinite(all_scores)
        rows = _sorted(where(usable), all_boxes, all_scores)
        vectors, embedded = _unit_rows(embeddings, len(all_boxes), rows)
        kept = all_boxes[rows]
        return CheckedDetections(
            xyxy=kept,
            xyah=boxes.to_xyah(kept),
            scores=all_scores[rows],
            embeddings=vectors,
            embedded=embedded,
            indices=rows,
            rejected=len(all_boxes) - len(rows),
        )


def _sorted(rows: NDArray[np.int64], xyxy: Floats, scores: Floats) -> NDArray[np.int64]:
    """The rows by left edge; where two share it, by the other sides and the score."""
    left = xyxy[rows, 0]
    order = left.argsort()
    left = left[order]
    if some(left[1:] == left[:-1]):
        kept = xyxy[rows]
        order = np.lexsort((scores[rows], kept[:, 3], kept[:, 2], kept[:, 1], kept[:, 0]))
    by_place: NDArray[np.int64] = rows[order]
    return by_place


def _shaped(values: ArrayLike, name: str, shape: tuple[int, ...]) -> Floats:
    array = numbers(values, name)
    if array.size == 0 and shape[0] in (-1, 0):
        return np.zeros((0, *shape[1:]))
    fits = array.ndim == len(shape) and all(want in (-1, got) for want, got in zip(shape, array.shape, strict=True))
    if not fits:
        wanted = ", ".join("N" if n == -1 else str(n) for n in shape)
        raise TrackerInputError(f"{name} has shape {array.shape}, wanted ({wanted})")
    return array


def _unit_rows(
    embeddings: ArrayLike | None, count: int, rows: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    none = np.zeros((len(rows), 0), np.float32), np.zeros(len(rows), bool)
    if embeddings is None:
        return none
    array = numbers(embeddings, "embeddings", np.float32)
    if array.ndim != 2 or len(array) != count:
        if array.size == 0 and count == 0:
            return none
        raise TrackerInputError(f"embeddings have shape {array.shape}, wanted ({count}, D)")
    vectors: NDArray[np.float32] = array[rows]
    squared = np.einsum("nd,nd->n", vectors, vectors)
    normal = np.abs(squared - 1.0) <= 1e-3
    if every(normal):
        return vectors, normal
    embedded = np.isfinite(squared) & (squared > 0)
    if not every(embedded):
        vectors[~embedded] = 0.0
        squared[~embedded] = 1.0
    if (np.abs(squared - 1.0) > 1e-3).any():
        vectors /= np.sqrt(squared)[:, None]
    return vectors, embedded
