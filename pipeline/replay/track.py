"""Tracks one camera by itself, frame by frame as a running camera would, and keeps the boxes."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relaytrack.pipeline.replay.detection_cache import DetectionCache, SeenFrame
from relaytrack.trackers import DeepSort
from relaytrack.trackers.evaluation import MotRows, rows_from_arrays


@dataclass(frozen=True, slots=True)
class TrackedSequence:
    """What the tracker made of one sequence.

    Attributes:
        rows: the tracks, one row per box.
        coasting: (N,) True for rows that are predictions of a track not seen in that frame.
        clock: (F,) seconds of every frame, from frame 1 to the last.
        seconds: (U,) CPU seconds that each `update` took (of this thread).
        detections: how many there were; rejected: how many of them the tracker left out as degenerate.
    """

    rows: MotRows
    coasting: NDArray[np.bool_]
    clock: NDArray[np.float64]
    seconds: NDArray[np.float64]
    detections: int
    rejected: int


def track(frames: Iterable[SeenFrame], tracker: DeepSort, *, backfill: bool = False) -> TrackedSequence:
    """Run a fresh tracker over frames, keeping no more of them than boxes.

    Args:
        frames: one camera's, in order.
        tracker: a fresh tracker.
        backfill: also write the boxes that a track had before it was confirmed.

    Raises:
        TrackerError: from the tracker.
    """
    parts, seconds, detections = [np.zeros((0, 8))], list[float](), 0
    numbers, stamps = list[int](), list[float]()
    for seen in frames:
        begin = time.thread_time()
        found = tracker.update(seen.xyxy, seen.scores, seen.embeddings, seen.time, frame_size=seen.size, warp=seen.warp)
        seconds.append(time.thread_time() - begin)
        numbers.append(seen.index)
        stamps.append(seen.time)
        detections += len(seen.scores)
        number = np.full(len(found), seen.index)
        parts.append(np.column_stack([number, found.ids, found.xyxy, found.scores, found.coasting]))
        late = tracker.pop_backfill()
        if backfill and len(late):
            number = np.array([numbers[call] for call in late.frames.tolist()])
            sight = np.zeros(len(late))
            parts.append(np.column_stack([number, late.ids, late.xyxy, late.scores, sight]))
    table = np.concatenate(parts)
    table = table[np.argsort(table[:, 0], kind="stable")]
    rows = rows_from_arrays(table[:, 0], table[:, 1], table[:, 2:6], table[:, 6])
    length = numbers[-1] if numbers else 0
    clock = np.interp(np.arange(1, length + 1), numbers, stamps) if length else np.zeros(0)
    return TrackedSequence(rows, table[:, 7] > 0, clock, np.array(seconds), detections, tracker.rejected)


def track_cache(
    cache: DetectionCache,
    tracker: DeepSort,
    *,
    fps: float | None = None,
    embeddings: bool = True,
    backfill: bool = False,
) -> TrackedSequence:
    """Run a fresh tracker over a cache.

    Args:
        cache: the detections.
        tracker: a fresh tracker.
        fps: frames per second, where the cache has no clock (or another one is wanted).
        embeddings: False hides the embeddings from the tracker.
        backfill: as in `track`.

    Raises:
        InputError: no clock.
        TrackerError: from the tracker.
    """
    return track(cache.seen(fps, embeddings=embeddings), tracker, backfill=backfill)
