"""How well trackers follow people on cached detections of annotated sequences."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from relaytrack.pipeline.benchmarks.contenders import Contender
from relaytrack.pipeline.errors import InputError
from relaytrack.pipeline.replay.detection_cache import DetectionCache, read_cache
from relaytrack.trackers.evaluation import GroundTruth, Scores, evaluate, read_ground_truth, rows_from_arrays
from relaytrack.trackers.evaluation.coverage import why_nothing_scored


@dataclass(frozen=True, slots=True)
class Case:
    """The detections of one detector on one annotated sequence."""

    sequence: str
    detector: str
    path: Path
    truth: GroundTruth


@dataclass(frozen=True, slots=True)
class Cell:
    """One tracker on one case: its scores and the median CPU milliseconds of an update."""

    tracker: str
    sequence: str
    detector: str
    scores: Scores
    milliseconds: float


def find_cases(caches: Path, truths: Path) -> list[Case]:
    """Pair the files SEQUENCE_DETECTOR.npz of one folder with the sequence folders of another.

    Raises:
        InputError: no file pairs up, or a sequence lacks its ground truth, boxes to score or frame rate.
    """
    cases = []
    for path in sorted(caches.glob("*.npz")) if caches.is_dir() else []:
        sequence, _, detector = path.stem.rpartition("_")
        if sequence and (truths / sequence).is_dir():
            truth = read_ground_truth(truths / sequence)
            if truth.frame_rate is None:
                raise InputError(f"{truths / sequence / 'seqinfo.ini'}: no frameRate")
            reason = why_nothing_scored(truth)
            if reason is not None:
                raise InputError(f"{truths / sequence}: nothing to score: {reason}")
            cases.append(Case(sequence, detector, path, truth))
    if not cases:
        raise InputError(f"{caches}: no cache SEQUENCE_DETECTOR.npz of a sequence in {truths}")
    return cases


def measure(case: Case, contenders: Sequence[Contender], cache: DetectionCache | None = None) -> list[Cell]:
    """Run every contender over one case, one after the other."""
    cache = cache or read_cache(case.path)
    return [_measure(case, contender, cache) for contender in contenders]


def _measure(case: Case, contender: Contender, cache: DetectionCache) -> Cell:
    fps = case.truth.frame_rate or 1.0
    run = contender.start(fps)
    vectors = cache.embeddings if contender.appearance else None
    seconds, frames, ids, boxes = [], [np.zeros(0)], [np.zeros(0)], [np.zeros((0, 4))]
    for index, rows in enumerate(cache.per_frame()):
        given = None if vectors is None else vectors[rows]
        begin = time.thread_time()
        names, xyxy = run(cache.xyxy[rows], cache.scores[rows], given, index / fps)
        seconds.append(time.thread_time() - begin)
        frames.append(np.full(len(names), index + 1))
        ids.append(np.asarray(names, np.float64))
        boxes.append(np.asarray(xyxy, np.float64).reshape(-1, 4))
    corners = np.concatenate(boxes)
    solid = (corners[:, 2:] > corners[:, :2]).all(axis=1)
    found = rows_from_arrays(
        np.concatenate(frames)[solid], np.concatenate(ids)[solid], corners[solid], origin=contender.name
    )
    if contender.offline is not None:
        found = contender.offline(cache, fps)
    scores = evaluate(case.truth, found)
    return Cell(contender.name, case.sequence, case.detector, scores, 1000 * float(np.median(seconds)))
