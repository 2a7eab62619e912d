"""The calls: measure one sequence, or several cameras that share one identity space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from relaytrack.trackers.errors import TrackerInputError
from relaytrack.trackers.evaluation.clear_mot import ClearMatches, Switch, clear, switches_of
from relaytrack.trackers.evaluation.ground_truth import Benchmark, GroundTruth, read_ground_truth
from relaytrack.trackers.evaluation.hota import hota
from relaytrack.trackers.evaluation.id_metrics import identity
from relaytrack.trackers.evaluation.mot_files import MotRows, read_mot
from relaytrack.trackers.evaluation.overlaps import Overlaps, global_overlaps, overlaps_of
from relaytrack.trackers.evaluation.scores import Scores, combine

Truth = GroundTruth | str | Path
Result = MotRows | str | Path


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores with what explains them.

    Attributes:
        scores: the numbers.
        overlaps: the preprocessed sequence they come from.
        matches: which track stood for which person in which frame (CLEAR MOT's matches).
        owners: for each track id that got one, the person it stands for in IDF1's map.
    """

    scores: Scores
    overlaps: Overlaps
    matches: ClearMatches
    owners: dict[int, int]

    @property
    def switches(self) -> list[Switch]:
        """Every identity switch, in time order per camera."""
        return switches_of(self.matches)


def evaluate(gt: Truth, result: Result, *, benchmark: Benchmark | None = None) -> Scores:
    """Measure one result on one sequence.

    Args:
        gt: a sequence folder, a ground truth file, or what `read_ground_truth` gave (faster when repeated).
        result: a MOT result file, or rows from `read_mot` or `rows_from_arrays`.
        benchmark: whose preprocessing to use; None lets the ground truth decide.

    Raises:
        TrackerInputError: a file is absent or malformed, or the result has frames past the sequence's end.
    """
    return evaluate_in_detail(gt, result, benchmark=benchmark).scores


def evaluate_in_detail(
    gt: Truth, result: Result, *, benchmark: Benchmark | None = None, origin: str | None = None
) -> Evaluation:
    """As `evaluate`, with the matches and the map of identities for plots; `origin` names rows in errors."""
    truth, rows = _load(gt, result, benchmark)
    return _measure(overlaps_of(truth, rows, origin=origin or _origin(result)))


def evaluate_global(cameras: Mapping[str, tuple[Truth, Result]]) -> tuple[Evaluation, dict[str, Evaluation]]:
    """Measure several cameras whose ground truth and results each share their ids over all of them.

    HOTA, DetA, AssA, LocA, IDF1, IDP and IDR run over (camera, frame) as one sequence: a person with two ids
    in two cameras costs as much as one with two ids in one. Switches, fragments and MOTA are those of the
    cameras, added up.

    Args:
        cameras: name to (ground truth, result).

    Returns:
        The global evaluation (its switches are those within cameras) and one per camera.

    Raises:
        TrackerInputError: as `evaluate`; no camera at all.
    """
    if not cameras:
        raise TrackerInputError("global evaluation needs at least one camera")
    loaded = {name: _load(gt, result, None) for name, (gt, result) in cameras.items()}
    origins = {_origin(result, name): loaded[name] for name, (_, result) in cameras.items()}
    single = {
        name: _measure(overlaps_of(*loaded[name], origin=_origin(result, name)))
        for name, (_, result) in cameras.items()
    }
    overlaps = global_overlaps(origins)
    id_counts, owners = identity(overlaps)
    added = combine([one.scores for one in single.values()])
    scores = Scores(hota(overlaps), added.clear_counts, id_counts, len(overlaps.gt_ids), len(overlaps.track_ids))
    parts = [one.matches for one in single.values()]
    matches = ClearMatches(
        np.repeat(np.arange(len(parts)), [len(part.frames) for part in parts]),
        np.concatenate([part.frames for part in parts]),
        np.concatenate([part.gt_ids for part in parts]),
        np.concatenate([part.track_ids for part in parts]),
    )
    return Evaluation(scores, overlaps, matches, owners), single


def _measure(overlaps: Overlaps) -> Evaluation:
    clear_counts, matches = clear(overlaps)
    id_counts, owners = identity(overlaps)
    scores = Scores(hota(overlaps), clear_counts, id_counts, len(overlaps.gt_ids), len(overlaps.track_ids))
    return Evaluation(scores, overlaps, matches, owners)


def _load(gt: Truth, result: Result, benchmark: Benchmark | None) -> tuple[GroundTruth, MotRows]:
    truth = gt if isinstance(gt, GroundTruth) else read_ground_truth(gt, benchmark=benchmark)
    return truth, result if isinstance(result, MotRows) else read_mot(result)


def _origin(result: Result, name: str = "") -> str:
    where = "result" if isinstance(result, MotRows) else str(result)
    return f"{name}: {where}" if name else where
