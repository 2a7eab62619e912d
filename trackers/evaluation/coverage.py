"""Checks before scoring: there are boxes to score, and the result covers them.

Without them a bad file would look like a bad tracker.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.errors import TrackerInputError
from relaytrack.trackers.evaluation.ground_truth import GroundTruth
from relaytrack.trackers.evaluation.mot_files import MotRows
from relaytrack.trackers.evaluation.overlaps import PEDESTRIAN

# A stretch without any track is suspicious from this share of the annotated frames on, and this many frames.
SUSPICIOUS_SHARE, SUSPICIOUS_FRAMES = 0.1, 10


def why_nothing_scored(truth: GroundTruth) -> str | None:
    """Why no box of a ground truth is scored, as the end of a sentence; None where some are."""
    rows = truth.rows
    if len(rows) == 0:
        return "it has no rows"
    flagged = rows.scores.astype(np.int64) != 0
    if not flagged.any():
        return f"column 7, the flag that says what is scored (1), is {_some(rows.scores)} in all {len(rows)} rows"
    if truth.benchmark != "MOT15" and not (flagged & (rows.classes == PEDESTRIAN)).any():
        classes = _some(rows.classes[flagged])
        return (
            f"only class {PEDESTRIAN} (pedestrian, column 8) is scored, and its {len(rows)} rows have class {classes}"
        )
    if not (rows.xywh[:, 2:] > 0).all(axis=1).any():
        return f"none of its {len(rows)} boxes has a width and a height"
    return None


def check_flags(truth: GroundTruth, origin: str) -> list[str]:
    """One line of warning where ground truth has confidences in place of flags: such rows are not scored.

    Args:
        truth: the ground truth.
        origin: what the warning calls it.
    """
    scores = truth.rows.scores
    odd = (scores != 0) & (scores.astype(np.int64) == 0)
    if not odd.any():
        return []
    return [
        f"{origin}: {int(odd.sum())} of {len(odd)} rows have {_some(scores[odd])} in column 7, where ground truth has "
        "a flag, 0 or 1: they are not scored"
    ]


def _some(values: NDArray[Any]) -> str:
    """The different values, the first few of them."""
    different = np.unique(values)
    text = ", ".join(f"{value:g}" for value in different[:4].tolist())
    return text if len(different) <= 4 else f"{text}, ..."


def missing_stretches(truth: GroundTruth, result: MotRows) -> list[tuple[int, int]]:
    """Long runs of annotated frames in which the result has no row at all, as (first, last) frame.

    Long means a tenth of the annotated frames and more than ten: trackers are silent for a few frames before
    they confirm, and may lose everybody for a while.
    """
    annotated = np.unique(truth.rows.frames[truth.rows.scores != 0])
    silent = ~np.isin(annotated, result.frames)
    edges = np.flatnonzero(np.diff(np.r_[False, silent, False].astype(np.int8)))
    limit = max(SUSPICIOUS_FRAMES, SUSPICIOUS_SHARE * len(annotated))
    return [
        (int(annotated[start]), int(annotated[end - 1]))
        for start, end in zip(edges[::2], edges[1::2], strict=True)
        if end - start > limit
    ]


def check_coverage(truth: GroundTruth, result: MotRows, origin: str) -> list[str]:
    """Refuse a result that lacks most of its sequence; otherwise one line of warning per long gap.

    Raises:
        TrackerInputError: the result is empty, or has no row in any annotated frame, or none in the first or in the
            last half of them.
    """
    annotated = np.unique(truth.rows.frames[truth.rows.scores != 0])
    if len(annotated) == 0:
        return []
    if len(result) == 0:
        raise TrackerInputError(f"{origin}: no tracks at all, but {truth.name} has {len(annotated)} annotated frames")
    if not np.isin(annotated, result.frames).any():
        raise TrackerInputError(
            f"{origin}: its frames {result.frames.min()} to {result.frames.max()} are none of those that {truth.name} "
            f"annotates, {annotated[0]} to {annotated[-1]}"
        )
    for first, last in missing_stretches(truth, result):
        at_edge = first == annotated[0] or last == annotated[-1]
        if at_edge and np.count_nonzero((annotated >= first) & (annotated <= last)) > len(annotated) / 2:
            raise TrackerInputError(f"{origin}: frames {first} to {last} of {truth.name} are missing")
    return [
        f"{origin}: no track in frames {first} to {last} of {truth.name}, where people are annotated"
        for first, last in missing_stretches(truth, result)
    ]
