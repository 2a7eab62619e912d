"""From which similarity on two crops are the same person: thresholds with their error rates."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from relaytrack.reid.datasets.base import JUNK
from relaytrack.reid.errors import DatasetError
from relaytrack.reid.evaluation.ranking import Ids, normalise


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
    same, different = pair_similarities(embeddings, ids, cameras)
    if len(same) == 0 or len(different) == 0:
        raise DatasetError("a threshold needs people seen by two cameras, and at least two people")
    same, different = np.sort(same), np.sort(different)
    candidates = np.unique(np.concatenate((same, different)))
    accept = 1 - np.searchsorted(different, candidates, side="left") / len(different)
    reject = np.searchsorted(same, candidates, side="left") / len(same)
    meeting = float(candidates[np.argmin(np.abs(accept - reject))])
    allowed = int(np.floor(strict_rate * len(different)))
    # just above the first different-person pair that may not be accepted
    strict = float(np.nextafter(different[len(different) - allowed - 1], np.float32(2)))
    slope, offset = _logistic(same, different)
    return Calibration(
        operating_point(same, different, meeting),
        operating_point(same, different, strict),
        slope,
        offset,
        len(same),
        len(different),
    )


def _logistic(same: NDArray[np.float32], different: NDArray[np.float32]) -> tuple[float, float]:
    """Slope and offset of largest likelihood, both kinds of pairs weighing the same (Newton's method)."""
    x = np.concatenate((same, different)).astype(np.float64)
    y = np.concatenate((np.ones(len(same)), np.zeros(len(different))))
    weight = np.concatenate((np.full(len(same), 0.5 / len(same)), np.full(len(different), 0.5 / len(different))))
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
