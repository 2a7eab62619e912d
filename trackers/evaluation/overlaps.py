"""From two tables of boxes to what every metric needs: per frame, who is there and how much they overlap.

Here the benchmark's preprocessing happens (MOT16, MOT17, MOT20: results on distractors are removed, then all
annotations but pedestrians; see Dendorfer et al., MOTChallenge, IJCV 2021, section 5.1). Afterwards ids are
consecutive indices, so that the metrics count into plain arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from relaytrack.trackers.errors import TrackerInputError
from relaytrack.trackers.evaluation.ground_truth import GroundTruth
from relaytrack.trackers.evaluation.mot_files import MotRows

EPS = float(np.finfo(np.float64).eps)
MATCH_IOU = 0.5
"""Overlap from which the preprocessing, CLEAR MOT and the ID metrics take a box for a person's."""
PEDESTRIAN = 1
LAST_CLASS = 13
# person on vehicle, static person, distractor, reflection; MOT20 adds non-motorised vehicle (6).
DISTRACTORS = (2, 7, 8, 12)
DISTRACTORS_MOT20 = (2, 6, 7, 8, 12)


@dataclass(frozen=True, slots=True)
class FrameOverlap:
    """One frame after preprocessing.

    Attributes:
        camera: index of the camera in a global evaluation, 0 otherwise.
        frame: 1-based frame number.
        gt: (n,) int64 indices of the people annotated, into `Overlaps.gt_ids`.
        tracks: (m,) int64 indices of the tracks reported, into `Overlaps.track_ids`.
        iou: (n, m) float64 intersection over union of their boxes.
    """

    camera: int
    frame: int
    gt: NDArray[np.int64]
    tracks: NDArray[np.int64]
    iou: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Overlaps:
    """A sequence (or several cameras with one identity space) ready for the metrics.

    Attributes:
        frames: the frames in which anything is annotated or reported, in time order per camera.
        gt_ids: (G,) the annotated ids, ascending; gt_counts: (G,) in how many frames each is.
        track_ids: (T,) the reported ids, ascending; track_counts: (T,) in how many frames each is.
    """

    frames: tuple[FrameOverlap, ...]
    gt_ids: NDArray[np.int64]
    gt_counts: NDArray[np.int64]
    track_ids: NDArray[np.int64]
    track_counts: NDArray[np.int64]


def overlaps_of(truth: GroundTruth, result: MotRows, *, origin: str = "result") -> Overlaps:
    """Prepare one sequence.

    Raises:
        TrackerInputError: a result frame past the sequence's end, or class numbers that MOT16, MOT17 and MOT20 lack.
    """
    return global_overlaps({origin: (truth, result)})


def global_overlaps(cameras: Mapping[str, tuple[GroundTruth, MotRows]]) -> Overlaps:
    """Prepare several cameras as one long sequence over (camera, frame) in which an id means one person.

    Raises:
        TrackerInputError: as `overlaps_of`, naming the camera.
    """
    cleaned = [_preprocess(truth, result, name) for name, (truth, result) in cameras.items()]
    all_gt = np.concatenate([gt.ids for gt, _ in cleaned])
    all_tracks = np.concatenate([tracks.ids for _, tracks in cleaned])
    gt_ids, gt_counts = np.unique(all_gt, return_counts=True)
    track_ids, track_counts = np.unique(all_tracks, return_counts=True)
    frames = [
        FrameOverlap(
            camera,
            frame,
            np.searchsorted(gt_ids, gt.ids[a]),
            np.searchsorted(track_ids, tracks.ids[b]),
            box_iou(gt.xywh[a], tracks.xywh[b]),
        )
        for camera, (gt, tracks) in enumerate(cleaned)
        for frame, a, b in _by_frame(gt, tracks)
    ]
    return Overlaps(tuple(frames), gt_ids, gt_counts, track_ids, track_counts)


def box_iou(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of every box of `a` (n, 4) with every one of `b` (m, 4), left, top, width, height.

    Boxes without area overlap nothing.
    """
    a_end, b_end = a[:, :2] + a[:, 2:], b[:, :2] + b[:, 2:]
    inter: NDArray[np.float64] = np.minimum(a_end[:, None, 0], b_end[None, :, 0])
    inter -= np.maximum(a[:, None, 0], b[None, :, 0])
    height = np.minimum(a_end[:, None, 1], b_end[None, :, 1])
    height -= np.maximum(a[:, None, 1], b[None, :, 1])
    inter = np.maximum(inter, 0) * np.maximum(height, 0)
    # Areas from the corners, as the reference evaluation has them, so that borderline overlaps round alike.
    area_a = (a_end[:, 0] - a[:, 0]) * (a_end[:, 1] - a[:, 1])
    area_b = (b_end[:, 0] - b[:, 0]) * (b_end[:, 1] - b[:, 1])
    union = area_a[:, None] + area_b[None, :] - inter
    solid = (area_a[:, None] > EPS) & (area_b[None, :] > EPS) & (union > EPS)
    iou: NDArray[np.float64] = np.where(solid, inter, 0.0) / np.where(solid, union, 1.0)
    return iou


def _by_frame(a: MotRows, b: MotRows) -> list[tuple[int, slice, slice]]:
    """The frame numbers of either table with the rows of both."""
    numbers = np.union1d(a.frames, b.frames)
    cuts = [np.searchsorted(table.frames, numbers, side) for table in (a, b) for side in ("left", "right")]
    return [
        (frame, slice(a0, a1), slice(b0, b1))
        for frame, a0, a1, b0, b1 in zip(numbers.tolist(), *(cut.tolist() for cut in cuts), strict=True)
    ]


def _preprocess(truth: GroundTruth, result: MotRows, origin: str) -> tuple[MotRows, MotRows]:
    """Take out of both tables what the benchmark does not score."""
    gt = truth.rows
    if truth.length is not None and len(result) and result.frames[-1] > truth.length:
        raise TrackerInputError(
            f"{origin}: frame {result.frames[-1]} is beyond the {truth.length} frames of {truth.name}"
        )
    if truth.benchmark == "MOT15":
        return gt.select(gt.scores.astype(np.int64) != 0), result
    bad = (gt.classes < 1) | (gt.classes > LAST_CLASS)
    if bad.any():
        raise TrackerInputError(
            f"{truth.name}: class {gt.classes[bad][0]} in frame {gt.frames[bad][0]} is none of "
            f"{truth.benchmark}'s 1 to {LAST_CLASS}"
        )
    distractors = DISTRACTORS_MOT20 if truth.benchmark == "MOT20" else DISTRACTORS
    distracting = np.isin(gt.classes, distractors)
    keep = np.ones(len(result), np.bool_)
    for _, a, b in _by_frame(gt, result):
        if not distracting[a].any() or b.start == b.stop:
            continue
        iou = box_iou(gt.xywh[a], result.xywh[b])
        iou[iou < MATCH_IOU - EPS] = 0
        rows, columns = linear_sum_assignment(iou, maximize=True)
        matched = iou[rows, columns] > EPS
        keep[b.start + columns[matched & distracting[a][rows]]] = False
    pedestrians = (gt.scores.astype(np.int64) != 0) & (gt.classes == PEDESTRIAN)
    return gt.select(pedestrians), result.select(keep)
