"""CLEAR MOT: matches frame by frame, with the identity switches between them.

Bernardin and Stiefelhagen, "Evaluating Multiple Object Tracking Performance", 2008. The numbers equal those of
TrackEval 1.3.0 (the MOT Challenge's scorer); the tests hold them side by side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from relaytrack.trackers.evaluation.overlaps import EPS, MATCH_IOU, Overlaps


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
