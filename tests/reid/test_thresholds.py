"""Thresholds of many pairs: computed in blocks, with the result of whole arrays."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from numpy.typing import NDArray

from relaytrack.reid.datasets.base import JUNK
from relaytrack.reid.evaluation import threshold
from relaytrack.reid.evaluation.threshold import Pairs, calibrate, calibrate_pairs, pair_similarities

People = tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]


def some(seed: int, count: int, *, steps: float = 0.0) -> People:
    """Embeddings of 40 people and of nobody under three cameras; with `steps` many similarities are equal."""
    draw = np.random.default_rng(seed)
    ids, cameras = draw.integers(JUNK, 40, count), draw.integers(0, 3, count)
    embeddings = draw.normal(size=(41, 16))[ids] + 0.9 * draw.normal(size=(count, 16))
    return (np.round(embeddings / steps) * steps if steps else embeddings).astype(np.float32), ids, cameras


def whole(embeddings: NDArray[np.float32], ids: NDArray[np.int64], cameras: NDArray[np.int64]) -> Pairs:
    """All pairs at once."""
    kept = ids != JUNK
    unit, ids, cameras = threshold.normalise(embeddings[kept]), ids[kept], cameras[kept]
    first, second = np.triu_indices(len(ids), 1)
    across = cameras[first] != cameras[second]
    cosine, same = (unit @ unit.T)[first, second], ids[first] == ids[second]
    return np.sort(cosine[across & same]), np.sort(cosine[across & ~same])


def rates(parts: list[Pairs], at: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """False accepts and false rejects at each of many thresholds."""
    accepted = [1 - np.searchsorted(different, at) / len(different) for _, different in parts]
    rejected = [np.searchsorted(same, at) / len(same) for same, _ in parts]
    return np.mean(accepted, axis=0), np.mean(rejected, axis=0)


@pytest.mark.parametrize("steps", [0.0, 1.0])
@pytest.mark.parametrize("sets", [1, 2, 3])
def test_blocks_do_not_change_the_result(sets: int, steps: float, monkeypatch: pytest.MonkeyPatch) -> None:
    people = [some(seed, 180 + 70 * seed, steps=steps) for seed in range(sets)]
    parts = [whole(*one) for one in people]
    found = calibrate_pairs(parts)

    candidates = np.unique(np.concatenate([values for part in parts for values in part]))
    accepted, rejected = rates(parts, candidates)
    assert found.equal_error.threshold == candidates[np.argmin(np.abs(accepted - rejected))]
    above = np.nextafter(np.unique(np.concatenate([different for _, different in parts])), np.float32(2))
    assert found.strict.threshold == above[np.argmax(rates(parts, above)[0] <= 1e-3)]

    monkeypatch.setattr(threshold, "_PIECE", 100)
    for block in (2, 7, 64, 5000):
        blocks = [pair_similarities(*one, block=block) for one in people]
        for one, other in zip(parts, blocks, strict=True):
            np.testing.assert_allclose(other[0], one[0], atol=1e-6)
            np.testing.assert_allclose(other[1], one[1], atol=1e-6)
        again = calibrate_pairs(blocks)
        assert (again.same, again.different) == (found.same, found.different)
        for name in ("equal_error", "strict"):
            got, wanted = getattr(again, name), getattr(found, name)
            assert got.threshold == pytest.approx(wanted.threshold, abs=1e-5)
            assert got.false_accept == pytest.approx(wanted.false_accept, abs=1e-4)
            assert got.false_reject == pytest.approx(wanted.false_reject, abs=2e-3)
        assert (again.slope, again.offset) == pytest.approx((found.slope, found.offset), abs=1e-5)


def test_pairs_need_not_be_sorted() -> None:
    same, different = whole(*some(1, 200))
    draw = np.random.default_rng(0)
    shuffled = draw.permutation(same), draw.permutation(different)
    found, wanted = calibrate_pairs([shuffled]), calibrate_pairs([(same, different)])
    assert (found.equal_error, found.strict) == (wanted.equal_error, wanted.strict)


def test_memory_goes_with_the_pairs_alone() -> None:
    """Fault: 13,000 images took several GB, 84 bytes for each pair."""
    people = some(3, 2500)
    tracemalloc.start()
    try:
        found = calibrate(*people)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    pairs = found.same + found.different
    assert pairs > 1_500_000
    assert most < 14 * pairs + 512 * 2500 * 8
