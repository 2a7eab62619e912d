"""Tracks one camera by itself, frame by frame as a running camera would, and keeps the boxes."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relaytrack.pipeline.records import Detections, FrameInfo, Ints
from relaytrack.pipeline.replay.detection_cache import DetectionCache, SeenFrame
from relaytrack.pipeline.results.track_rows import TrackRows
from relaytrack.pipeline.tracking.backfill import EarlierBoxes, beginnings
from relaytrack.pipeline.tracking.tracker import Tracker, run_tracker
from relaytrack.trackers import DeepSort
from relaytrack.trackers.evaluation import MotRows, rows_from_arrays

Table = NDArray[np.float64]


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


def track(
    frames: Iterable[SeenFrame],
    tracker: Tracker,
    *,
    score_scale: float = 1.0,
    backfill: bool = False,
    mend: bool = False,
) -> TrackedSequence:
    """Run a fresh tracker over frames, keeping no more of them than boxes.

    Args:
        frames: one camera's, in order.
        tracker: a fresh tracker, `DeepSort` or somebody else's.
        score_scale: detection scores are divided by it for the tracker, as `build.score_scale` says.
        backfill: also write the boxes that a track had before it was confirmed; `DeepSort` alone has them.
        mend: set the ids of those boxes right by the later ones, and carry tracks further back onto detections that
            no track took, as the final pass of a run does.

    Raises:
        TrackerError: from the tracker.
        InputError: what somebody else's tracker returned cannot be read.
    """
    parts, seconds, detections = [np.zeros((0, 8))], list[float](), 0
    earlier = EarlierBoxes()
    numbers, stamps = list[int](), list[float]()
    for seen in frames:
        begin = time.thread_time()
        if isinstance(tracker, DeepSort):
            table, taken = _own(tracker, seen, score_scale)
        else:
            table, taken = _foreign(tracker, seen), np.zeros(0, np.int64)
        seconds.append(time.thread_time() - begin)
        numbers.append(seen.index)
        stamps.append(seen.time)
        detections += len(seen.scores)
        parts.append(table)
        if backfill and isinstance(tracker, DeepSort):
            frame = FrameInfo("", seen.index, seen.time, seen.size or (0, 0), seen.roi_origin)
            earlier.saw(frame, Detections(seen.xyxy, seen.scores), taken, score_scale)
            earlier.add(tracker.pop_backfill(), seen.roi_origin, score_scale)
    table = np.concatenate(parts)
    table = np.concatenate([table, _early(table, earlier, mend)])
    table = table[np.argsort(table[:, 0], kind="stable")]
    rows = rows_from_arrays(table[:, 0], table[:, 1], table[:, 2:6], table[:, 6])
    length = numbers[-1] if numbers else 0
    clock = np.interp(np.arange(1, length + 1), numbers, stamps) if length else np.zeros(0)
    rejected = tracker.rejected if isinstance(tracker, DeepSort) else 0
    return TrackedSequence(rows, table[:, 7] > 0, clock, np.array(seconds), detections, rejected)


def _early(own: Table, earlier: EarlierBoxes, mend: bool) -> Table:
    """The boxes from before confirmation, as a run's final pass finds them in what it wrote where `mend` is set."""
    if mend:
        written = TrackRows.of(own[:, 0], own[:, 1], own[:, 2:6], own[:, 6]).text()
        rows = beginnings(TrackRows.parse(written), earlier)
    else:
        rows = TrackRows.of(*earlier.rows())
    return np.column_stack([rows.frames, rows.ids, rows.xyxy, rows.scores, np.zeros(len(rows))])


def _own(tracker: DeepSort, seen: SeenFrame, score_scale: float) -> tuple[Table, Ints]:
    """A frame's tracks as rows of frame, id, x1, y1, x2, y2, score, coasting; and the detections that they took."""
    scores = np.clip(seen.scores / score_scale, 0.0, 1.0)
    found = tracker.update(seen.xyxy, scores, seen.embeddings, seen.time, frame_size=seen.size, warp=seen.warp)
    shown = found.scores * np.float32(score_scale)
    shown[~found.coasting] = seen.scores[found.indices[~found.coasting]]
    table = np.column_stack(
        [np.full(len(found), seen.index), found.ids, found.xyxy + _shift(seen), shown, found.coasting]
    )
    return table, found.indices[~found.coasting]


def _foreign(tracker: Tracker, seen: SeenFrame) -> Table:
    """The same of somebody else's tracker; as in a run, only tracks that were seen in the frame count."""
    vectors = np.zeros((len(seen.scores), 0), np.float32) if seen.embeddings is None else seen.embeddings
    found = run_tracker(tracker, seen.xyxy, seen.scores, vectors, seen.time, frame_size=seen.size, warp=seen.warp)
    here = found.indices >= 0
    count, scores = int(np.count_nonzero(here)), seen.scores[found.indices[here]]
    return np.column_stack(
        [np.full(count, seen.index), found.ids[here], found.xyxy[here] + _shift(seen), scores, np.zeros(count)]
    )


def _shift(seen: SeenFrame) -> NDArray[np.float32]:
    """What carries boxes of the frame's image into the source's full picture."""
    return np.array([*seen.roi_origin, *seen.roi_origin], np.float32)


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
