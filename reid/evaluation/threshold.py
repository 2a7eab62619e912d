"""From which similarity on two crops are the same person: thresholds with their error rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from relaytrack.reid.datasets.base import JUNK
from relaytrack.reid.errors import DatasetError
from relaytrack.reid.evaluation.ranking import Ids, normalise

Pairs = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Similarities of same-person pairs and of different-person pairs."""


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A cosine threshold and what it costs.

    Attributes:
        threshold: pairs at or above it are taken for the same person.
        false_accept: part of the different-person pairs at or above it (FAR).
        false_reject: part of the same-person pairs below it (FRR).
    """

    threshold: float
    false_accept: float
    false_reject: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """What similarities mean, measured on people that the network has not learned.

    Attributes:
        equal_error: where both error rates meet.
        strict: the lowest threshold with at most 1 false accept in 1,000 different-person pairs.
        slope: of the logistic curve P(same) = 1 / (1 + exp(-(slope * cosine + offset))), same-person and
            different-person pairs being equally likely beforehand.
        offset: see `slope`.
        same: how many same-person pairs (of two cameras) were measured.
        different: how many different-person pairs (of two cameras).
    """

    equal_error: OperatingPoint
    strict: OperatingPoint
    slope: float
    offset: float
    same: int
    different: int

    def probability(self, cosine: NDArray[np.float32]) -> NDArray[np.float32]:
        """P(same person) of cosine similarities."""
        return np.asarray(1 / (1 + np.exp(-(self.slope * cosine + self.offset))), np.float32)

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def pair_similarities(
    embeddings: NDArray[np.float32], ids: Ids, cameras: Ids
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cosine similarities of all cross-camera pairs, (of the same person, of different people).

    Args:
        embeddings: (N, D).
        ids: (N,); junk is left out.
        cameras: (N,).
    """
    keep = ids != JUNK
    unit, ids, cameras = normalise(embeddings[keep]), ids[keep], cameras[keep]
    first, second = np.triu_indices(len(ids), 1)
    across = cameras[first] != cameras[second]
    first, second = first[across], second[across]
    cosine = (unit @ unit.T)[first, second]
    same = ids[first] == ids[second]
    return cosine[same], cosine[~same]


def operating_point(same: NDArray[np.float32], different: NDArray[np.float32], threshold: float) -> OperatingPoint:
    """The error rates at a threshold."""
    return OperatingPoint(threshold, float((different >= threshold).mean()), float((same < threshold).mean()))


def calibrate(embeddings: NDArray[np.float32], ids: Ids, cameras: Ids, *, strict_rate: float = 1e-3) -> Calibration:
    """Measure thresholds and the logistic curve on cross-camera pairs.

    Raises:
        DatasetError: no same-person or no different-person pair under two cameras.
    """
    return calibrate_pairs([pair_similarities(embeddings, ids, cameras)], strict_rate=strict_rate)


def calibrate_pairs(parts: Sequence[Pairs], *, strict_rate: float = 1e-3) -> Calibration:
    """Measure thresholds and the logistic curve on the pairs of one or more data sets, each of the same weight.

    Error rates are the means of those of the data sets.

    Args:
        parts: of each data set the similarities (of same-person pairs, of different-person pairs), see
            `pair_similarities`.
        strict_rate: false accepts that the strict threshold allows.

    Raises:
        DatasetError: a data set has no same-person or no different-person pair under two cameras.
    """
    if any(len(same) == 0 or len(different) == 0 for same, different in parts):
        raise DatasetError("a threshold needs people seen by two cameras, and at least two people")
    parts = [(np.sort(same), np.sort(different)) for same, different in parts]
    candidates = np.unique(np.concatenate([values for part in parts for values in part]))
    meeting = float(candidates[np.argmin(np.abs(_accepted(parts, candidates) - _rejected(parts, candidates)))])
    # just above the first different-person pair that may not be accepted
    above = np.nextafter(np.unique(np.concatenate([different for _, different in parts])), np.float32(2))
    strict = float(above[np.argmax(_accepted(parts, above) <= strict_rate)])
    slope, offset = _logistic(parts)
    return Calibration(
        _mean_point(parts, meeting),
        _mean_point(parts, strict),
        slope,
        offset,
        sum(len(same) for same, _ in parts),
        sum(len(different) for _, different in parts),
    )


def _accepted(parts: Sequence[Pairs], thresholds: NDArray[np.float32]) -> NDArray[np.float64]:
    """False-accept rate at each threshold, the mean over the data sets (their similarities sorted)."""
    rates = [1 - np.searchsorted(different, thresholds, side="left") / len(different) for _, different in parts]
    return np.asarray(np.mean(rates, axis=0))


def _rejected(parts: Sequence[Pairs], thresholds: NDArray[np.float32]) -> NDArray[np.float64]:
    """False-reject rate at each threshold, the mean over the data sets (their similarities sorted)."""
    return np.asarray(
        np.mean([np.searchsorted(same, thresholds, side="left") / len(same) for same, _ in parts], axis=0)
    )


def _mean_point(parts: Sequence[Pairs], threshold: float) -> OperatingPoint:
    points = [operating_point(same, different, threshold) for same, different in parts]
    accept = float(np.mean([point.false_accept for point in points]))
    reject = float(np.mean([point.false_reject for point in points]))
    return OperatingPoint(threshold, accept, reject)


def _logistic(parts: Sequence[Pairs]) -> tuple[float, float]:
    """Slope and offset of largest likelihood (Newton's method); data sets and kinds of pairs weigh the same."""
    x = np.concatenate([np.concatenate(part) for part in parts]).astype(np.float64)
    y = np.concatenate([np.repeat((1.0, 0.0), (len(same), len(different))) for same, different in parts])
    share = 0.5 / len(parts)
    counts = [(len(same), len(different)) for same, different in parts]
    weight = np.concatenate([np.repeat((share / n, share / m), (n, m)) for n, m in counts])
    centre, spread = x.mean(), max(1e-6, x.std())
    design = np.stack(((x - centre) / spread, np.ones_like(x)), 1)
    solution = np.zeros(2)
    ridge = 1e-4 * np.eye(2)  # keeps the curve finite where the kinds do not overlap
    for _ in range(30):
        p = 1 / (1 + np.exp(-np.clip(design @ solution, -50, 50)))
        gradient = design.T @ (weight * (y - p)) - ridge @ solution
        curvature = (design * (weight * p * (1 - p))[:, None]).T @ design + ridge
        step = np.linalg.solve(curvature, gradient)
        solution += step
        if np.abs(step).max() < 1e-9:
            break
    slope = solution[0] / spread
    return float(slope), float(solution[1] - slope * centre)
