"""From which similarity on two crops are the same person: thresholds with their error rates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from relaytrack.reid.datasets.base import JUNK
from relaytrack.reid.errors import DatasetError
from relaytrack.reid.evaluation.ranking import Ids, normalise

Pairs = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Similarities of same-person pairs and of different-person pairs."""
_PIECE = 1 << 18  # pairs that are computed with at a time


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
    embeddings: NDArray[np.float32], ids: Ids, cameras: Ids, *, block: int = 512
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cosine similarities of all cross-camera pairs, (of the same person, of different people), each sorted.

    Args:
        embeddings: (N, D).
        ids: (N,); junk is left out.
        cameras: (N,).
        block: rows that are compared with all others at a time. Beyond what is returned, 4 bytes for each pair, memory
            goes with `block` x N.
    """
    keep = ids != JUNK
    unit, ids, cameras = normalise(embeddings[keep]), ids[keep], cameras[keep]
    starts = range(0, len(ids), block)

    def pairs(start: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Whether the rows from `start` on and the columns from there on are (one person, two) under two cameras."""
        rows = slice(start, start + block)
        across = np.triu(cameras[rows, None] != cameras[None, start:], 1)
        one = ids[rows, None] == ids[None, start:]
        return across & one, across & ~one

    counts = np.array([[np.count_nonzero(kind) for kind in pairs(start)] for start in starts], np.int64)
    found = tuple(np.empty(count, np.float32) for count in counts.reshape(-1, 2).sum(axis=0))
    filled = [0, 0]
    for start in starts:
        cosine = unit[start : start + block] @ unit[start:].T
        for place, (kind, values) in enumerate(zip(pairs(start), found, strict=True)):
            chosen = cosine[kind]
            values[filled[place] : filled[place] + len(chosen)] = chosen
            filled[place] += len(chosen)
    for values in found:
        values.sort()
    return found[0], found[1]


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
    parts = [(_sorted(same), _sorted(different)) for same, different in parts]
    meeting = _meeting(parts)
    # just above the first different-person pair that may not be accepted
    above = [
        np.nextafter(values[at], np.float32(2))
        for _, values in parts
        if (at := _first(values, lambda value: _accepted(parts, np.nextafter(value, np.float32(2))) <= strict_rate))
        < len(values)
    ]
    strict = float(min(above))
    slope, offset = _logistic(parts)
    return Calibration(
        _mean_point(parts, meeting),
        _mean_point(parts, strict),
        slope,
        offset,
        sum(len(same) for same, _ in parts),
        sum(len(different) for _, different in parts),
    )


def _sorted(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return values if bool((values[1:] >= values[:-1]).all()) else np.sort(values)


def _first(values: NDArray[np.float32], holds: Callable[[np.float32], bool]) -> int:
    """The place of the first of sorted values for which something holds that then holds for all after it, too."""
    low, high = 0, len(values)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(values[middle]) else (middle + 1, high)
    return low


def _meeting(parts: Sequence[Pairs]) -> float:
    """The similarity of a pair at which the error rates lie closest together; of two the lower one.

    From one similarity to the next higher the false accepts less the false rejects become fewer, so that only the two
    around their zero are looked at.
    """

    def apart(value: np.float32) -> float:
        return _accepted(parts, value) - _rejected(parts, value)

    around: list[np.float32] = []
    for values in (values for part in parts for values in part):
        after = _first(values, lambda value: apart(value) < 0)
        around += [values[at] for at in (after - 1, after) if 0 <= at < len(values)]
    return float(min(sorted(around), key=lambda value: abs(apart(value))))


def _accepted(parts: Sequence[Pairs], threshold: np.float32) -> float:
    """False-accept rate at a threshold, the mean over the data sets (their similarities sorted)."""
    return float(np.mean([1 - np.searchsorted(different, threshold) / len(different) for _, different in parts]))


def _rejected(parts: Sequence[Pairs], threshold: np.float32) -> float:
    """False-reject rate at a threshold, the mean over the data sets (their similarities sorted)."""
    return float(np.mean([np.searchsorted(same, threshold) / len(same) for same, _ in parts]))


def _mean_point(parts: Sequence[Pairs], threshold: float) -> OperatingPoint:
    points = [operating_point(same, different, threshold) for same, different in parts]
    accept = float(np.mean([point.false_accept for point in points]))
    reject = float(np.mean([point.false_reject for point in points]))
    return OperatingPoint(threshold, accept, reject)


def _logistic(parts: Sequence[Pairs]) -> tuple[float, float]:
    """Slope and offset of largest likelihood (Newton's method); data sets and kinds of pairs weigh the same."""
    kinds = [(values, label) for part in parts for values, label in zip(part, (1.0, 0.0), strict=True)]
    count = sum(len(values) for values, _ in kinds)
    centre = sum(float(x.sum()) for values, _ in kinds for x in _pieces(values)) / count
    variance = sum(float(np.square(x - centre).sum()) for values, _ in kinds for x in _pieces(values)) / count
    spread = max(1e-6, variance**0.5)
    solution = np.zeros(2)
    ridge = 1e-4 * np.eye(2)  # keeps the curve finite where the kinds do not overlap
    for _ in range(30):
        gradient, curvature = -ridge @ solution, ridge.copy()
        for values, label in kinds:
            weight = 0.5 / len(parts) / len(values)
            for x in _pieces(values):
                design = np.stack(((x - centre) / spread, np.ones_like(x)), 1)
                p = 1 / (1 + np.exp(-np.clip(design @ solution, -50, 50)))
                gradient += weight * (design.T @ (label - p))
                curvature += weight * (design * (p * (1 - p))[:, None]).T @ design
        step = np.linalg.solve(curvature, gradient)
        solution += step
        if np.abs(step).max() < 1e-9:
            break
    slope = solution[0] / spread
    return float(slope), float(solution[1] - slope * centre)


def _pieces(values: NDArray[np.float32]) -> Iterator[NDArray[np.float64]]:
    """The values in pieces, in double precision."""
    for start in range(0, len(values), _PIECE):
        yield values[start : start + _PIECE].astype(np.float64)
