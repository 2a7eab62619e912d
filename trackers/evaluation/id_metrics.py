"""IDF1 and its parts: the best one-to-one map between tracks and people.

Ristani et al., "Performance Measures and a Data Set for Multi-Target, Multi-Camera Tracking", ECCV workshops 2016. The
numbers equal those of TrackEval 1.3.0 (the MOT Challenge's scorer); the tests hold them side by side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from relaytrack.trackers.evaluation.overlaps import MATCH_IOU, Overlaps


@dataclass(frozen=True, slots=True)
class IdCounts:
    """True positives, false positives and misses under the best one-to-one map from tracks to people."""

    idtp: int
    idfp: int
    idfn: int


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
