"""The three families of tracking metrics, each as counts that add up over sequences.

* HOTA: Luiten et al., "HOTA: A Higher Order Metric for Evaluating Multi-Object Tracking", IJCV 2021.
* CLEAR MOT: Bernardin and Stiefelhagen, "Evaluating Multiple Object Tracking Performance", 2008.
* ID metrics: Ristani et al., "Performance Measures and a Data Set for Multi-Target, Multi-Camera Tracking",
  ECCV workshops 2016.

The numbers equal those of TrackEval 1.3.0 (the MOT Challenge's scorer); the tests hold them side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from relaytrack.trackers.evaluation.overlaps import EPS, FrameOverlap, Overlaps

# The localisation thresholds that HOTA averages over, 0.05 to 0.95.
ALPHAS: NDArray[np.float64] = np.arange(0.05, 0.99, 0.05)
MATCH_IOU = 0.5
Doubles = NDArray[np.float64]
Cells = tuple[NDArray[np.int64], ...]


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


@dataclass(frozen=True, slots=True)
class ClearCounts:
    """Matches at IoU 0.5 that continue the last frame's where they can, with switches and fragments."""

    tp: int
    fn: int
    fp: int
    switches: int
    fragments: int
    iou: float
    mostly_tracked: int
    partly_tracked: int
    mostly_lost: int


@dataclass(frozen=True, slots=True)
class IdCounts:
    """True positives, false positives and misses under the best one-to-one map from tracks to people."""

    idtp: int
    idfp: int
    idfn: int


@dataclass(frozen=True, slots=True)
class Switch:
    """The moment when a person's track id changed.

    Attributes:
        camera: index of the camera in a global evaluation, 0 otherwise.
        frame: 1-based number of the first frame with the new id.
        gt_id: the person.
        old, new: the track ids.
    """

    camera: int
    frame: int
    gt_id: int
    old: int
    new: int


@dataclass(frozen=True, slots=True)
class ClearMatches:
    """Every match of CLEAR MOT, (K,) int64 each, in time order per camera."""

    cameras: NDArray[np.int64]
    frames: NDArray[np.int64]
    gt_ids: NDArray[np.int64]
    track_ids: NDArray[np.int64]


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


def clear(overlaps: Overlaps) -> tuple[ClearCounts, ClearMatches]:
    """Count for CLEAR MOT, frame by frame, and list the matches.

    "The last frame" for keeping a match is the last one with both annotations and results; a switch counts
    against the last match of a person however long ago.
    """
    people = len(overlaps.gt_ids)
    gt_total, track_total = int(overlaps.gt_counts.sum()), int(overlaps.track_counts.sum())
    last, current = np.full(people, -1), np.full(people, -1)
    matched, starts = np.zeros(people, np.int64), np.zeros(people, np.int64)
    overlap_sum, switches = 0.0, 0
    found = [np.zeros((4, 0), np.int64)]
    for frame in overlaps.frames:
        if not frame.iou.size:
            continue
        score = 1000.0 * (frame.tracks[None, :] == current[frame.gt][:, None]) + frame.iou
        score[frame.iou < MATCH_IOU - EPS] = 0
        rows, columns = linear_sum_assignment(score, maximize=True)
        hit = score[rows, columns] > EPS
        rows, columns = rows[hit], columns[hit]
        whose, which = frame.gt[rows], frame.tracks[columns]
        switches += int(np.count_nonzero((last[whose] >= 0) & (last[whose] != which)))
        matched[whose] += 1
        starts[whose[current[whose] < 0]] += 1
        last[whose] = which
        current[:] = -1
        current[whose] = which
        overlap_sum += float(frame.iou[rows, columns].sum())
        found.append(np.stack([np.full_like(whose, frame.camera), np.full_like(whose, frame.frame), whose, which]))
    ratio = matched / overlaps.gt_counts
    tracked, partly = int((ratio > 0.8).sum()), int((ratio >= 0.2).sum())
    tp = int(matched.sum())
    counts = ClearCounts(
        tp,
        gt_total - tp,
        track_total - tp,
        switches,
        int((starts[starts > 0] - 1).sum()),
        overlap_sum,
        tracked,
        partly - tracked,
        people - partly,
    )
    cameras, frames, whose, which = np.concatenate(found, axis=1)
    return counts, ClearMatches(cameras, frames, overlaps.gt_ids[whose], overlaps.track_ids[which])


def switches_of(matches: ClearMatches) -> list[Switch]:
    """The identity switches in a list of matches, in time order per camera."""
    order = np.lexsort((matches.frames, matches.gt_ids, matches.cameras))
    camera, frame, person, track = (
        values[order] for values in (matches.cameras, matches.frames, matches.gt_ids, matches.track_ids)
    )
    same = (camera[1:] == camera[:-1]) & (person[1:] == person[:-1])
    at = np.flatnonzero(same & (track[1:] != track[:-1])) + 1
    found = [
        Switch(*(int(value) for value in row))
        for row in zip(camera[at], frame[at], person[at], track[at - 1], track[at], strict=True)
    ]
    return sorted(found, key=lambda one: (one.camera, one.frame, one.gt_id))


def identity(overlaps: Overlaps) -> tuple[IdCounts, dict[int, int]]:
    """Count for IDF1, and the map from track id to the person it was assigned to (at IoU 0.5)."""
    people, tracks = len(overlaps.gt_ids), len(overlaps.track_ids)
    gt_total, track_total = int(overlaps.gt_counts.sum()), int(overlaps.track_counts.sum())
    keys = [np.zeros(0, np.int64)]
    for frame in overlaps.frames:
        rows, columns = np.nonzero(frame.iou >= MATCH_IOU)
        keys.append(frame.gt[rows] * tracks + frame.tracks[columns])
    pair, together = np.unique(np.concatenate(keys), return_counts=True)
    best = _best_map(pair // max(1, tracks), pair % max(1, tracks), together, people, tracks)
    idtp = int(together[best].sum())
    rows, columns = pair[best] // max(1, tracks), pair[best] % max(1, tracks)
    owners = dict(zip(overlaps.track_ids[columns].tolist(), overlaps.gt_ids[rows].tolist(), strict=True))
    return IdCounts(idtp, track_total - idtp, gt_total - idtp), owners


def _best_map(
    rows: NDArray[np.int64], columns: NDArray[np.int64], counts: NDArray[np.int64], people: int, tracks: int
) -> NDArray[np.int64]:
    """Which of the pairs (row, column) are in the one-to-one map of the greatest sum of counts.

    Groups of people and tracks that no pair joins are solved one by one, so memory goes with the largest group.
    """
    alone = (np.bincount(rows, minlength=people)[rows] == 1) & (np.bincount(columns, minlength=tracks)[columns] == 1)
    chosen = [np.flatnonzero(alone)]
    left = np.flatnonzero(~alone)
    size = people + tracks
    graph = coo_array((np.ones(len(left)), (rows[left], people + columns[left])), shape=(size, size))
    group = connected_components(graph, directed=False)[1][rows[left]]
    order = np.argsort(group, kind="stable")
    for members in np.split(left[order], np.flatnonzero(np.diff(group[order])) + 1) if len(left) else ():
        row_ids, row = np.unique(rows[members], return_inverse=True)
        column_ids, column = np.unique(columns[members], return_inverse=True)
        place = np.full((len(row_ids), len(column_ids)), -1)
        place[row, column] = members
        score = np.where(place >= 0, counts[place], 0)
        found = place[linear_sum_assignment(score, maximize=True)]
        chosen.append(found[found >= 0])
    return np.concatenate(chosen)
