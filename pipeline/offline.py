"""Tracks one camera's detections from a cache, frame by frame, as a running camera would have them."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.detection_cache import DetectionCache
from trackers import DeepSort
from trackers.evaluation import MotRows, rows_from_arrays


@dataclass(frozen=True, slots=True)
class TrackedSequence:
    """What the tracker made of one sequence.

    Attributes:
        rows: the tracks, one row per box.
        coasting: (N,) True for rows that are predictions of a track not seen in that frame.
        seconds: (F,) CPU seconds that each `update` took (of this thread).
        rejected: degenerate detections that the tracker left out.
    """

    rows: MotRows
    coasting: NDArray[np.bool_]
    seconds: NDArray[np.float64]
    rejected: int


def track_cache(
    cache: DetectionCache,
    tracker: DeepSort,
    *,
    fps: float | None = None,
    embeddings: bool = True,
    backfill: bool = False,
) -> TrackedSequence:
    """Run a tracker over a cache.

    Args:
        cache: the detections.
        tracker: a fresh tracker.
        fps: frames per second, where the cache has no clock (or another one is wanted).
        embeddings: False hides the embeddings from the tracker.
        backfill: also write the boxes that a track had before it was confirmed.

    Raises:
        InputError: no clock.
        TrackerError: from the tracker.
    """
    clock = cache.clock(fps).tolist()
    vectors = cache.embeddings if embeddings else None
    seconds = np.zeros(len(clock))
    parts = [np.zeros((0, 8))]
    for index, here in enumerate(cache.per_frame()):
        begin = time.thread_time()
        found = tracker.update(
            cache.xyxy[here],
            cache.scores[here],
            None if vectors is None else vectors[here],
            clock[index],
            frame_size=cache.size,
        )
        seconds[index] = time.thread_time() - begin
        number = np.full(len(found), index + 1)
        parts.append(np.column_stack([number, found.ids, found.xyxy, found.scores, found.coasting]))
        if backfill:
            late = tracker.pop_backfill()
            seen = np.zeros(len(late))
            parts.append(np.column_stack([late.frames + 1, late.ids, late.xyxy, late.scores, seen]))
    table = np.concatenate(parts)
    table = table[np.argsort(table[:, 0], kind="stable")]
    rows = rows_from_arrays(table[:, 0], table[:, 1], table[:, 2:6], table[:, 6])
    return TrackedSequence(rows, table[:, 7] > 0, seconds, tracker.rejected)
