"""HOTA: detection and association in one number, at 19 localisation thresholds.

Luiten et al., "HOTA: A Higher Order Metric for Evaluating Multi-Object Tracking", IJCV 2021. The numbers equal those of
TrackEval 1.3.0 (the MOT Challenge's scorer); the tests hold them side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from relaytrack.trackers.evaluation.overlaps import EPS, FrameOverlap, Overlaps

Doubles = NDArray[np.float64]
Cells = tuple[NDArray[np.int64], ...]
ALPHAS: Doubles = np.arange(0.05, 0.99, 0.05)
"""The localisation thresholds that HOTA averages over, 0.05 to 0.95."""


@dataclass(frozen=True, slots=True)
class HotaCounts:
    """Per threshold alpha, (19,) each: true and false positives, misses, and sums over the true positives.

    `iou` sums their overlap; `ass`, `ass_re` and `ass_pr` sum each one's association score A(c) (equation 2 of
    the paper), its recall and its precision.
    """

    tp: Doubles
    fn: Doubles
    fp: Doubles
    iou: Doubles
    ass: Doubles
    ass_re: Doubles
    ass_pr: Doubles


def hota(overlaps: Overlaps) -> HotaCounts:
    """Count for HOTA: one assignment per frame, by overlap times how well the two tracks fit as a whole."""
    people, tracks = len(overlaps.gt_ids), len(overlaps.track_ids)
    gt_total, track_total = int(overlaps.gt_counts.sum()), int(overlaps.track_counts.sum())
    zero = np.zeros(len(ALPHAS))
    if people == 0 or tracks == 0:
        return HotaCounts(zero, zero + gt_total, zero + track_total, zero, zero, zero, zero)
    both = [frame for frame in overlaps.frames if frame.iou.size]
    cells = [np.nonzero(frame.iou) for frame in both]
    pairs: list[NDArray[np.int64]] = []
    values: list[Doubles] = []
    for frame, cell, alignment in zip(both, cells, _alignments(overlaps, both, cells), strict=True):
        score = np.zeros_like(frame.iou)
        score[cell] = alignment * frame.iou[cell]
        rows, columns = linear_sum_assignment(score, maximize=True)
        pairs.append(frame.gt[rows] * tracks + frame.tracks[columns])
        values.append(frame.iou[rows, columns])
    pair = np.concatenate([np.zeros(0, np.int64), *pairs])
    value = np.concatenate([np.zeros(0), *values])
    sums = np.zeros((5, len(ALPHAS)))
    for index, alpha in enumerate(ALPHAS):
        hit = value >= alpha - EPS
        unique, count = np.unique(pair[hit], return_counts=True)
        whose, which = overlaps.gt_counts[unique // tracks], overlaps.track_counts[unique % tracks]
        sums[:, index] = (
            np.count_nonzero(hit),
            value[hit].sum(),
            (count * count / (whose + which - count)).sum(),
            (count * count / whose).sum(),
            (count * count / which).sum(),
        )
    return HotaCounts(sums[0], gt_total - sums[0], track_total - sums[0], *sums[1:])


def _alignments(overlaps: Overlaps, frames: Sequence[FrameOverlap], cells: Sequence[Cells]) -> list[Doubles]:
    """How well person and track of each cell fit over all frames; a list per frame in the order of its cells.

    Only pairs that overlap somewhere are kept: a matrix of all people and all tracks would not fit into memory for
    results of days.
    """
    tracks = len(overlaps.track_ids)
    keys, shares = [np.zeros(0, np.int64)], [np.zeros(0)]
    for frame, (rows, columns) in zip(frames, cells, strict=True):
        iou = frame.iou
        union = iou.sum(0)[columns] + iou.sum(1)[rows] - iou[rows, columns]
        keys.append(frame.gt[rows] * tracks + frame.tracks[columns])
        shares.append(np.divide(iou[rows, columns], union, out=np.zeros_like(union), where=union > EPS))
    pair, which = np.unique(np.concatenate(keys), return_inverse=True)
    potential = np.bincount(which, np.concatenate(shares), len(pair))
    totals = (overlaps.gt_counts[pair // tracks] + overlaps.track_counts[pair % tracks]).astype(np.float64)
    alignment = potential / (totals - potential)
    return np.split(alignment[which], np.cumsum([len(rows) for rows, _ in cells]))[:-1]
