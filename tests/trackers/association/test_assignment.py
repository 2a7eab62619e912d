"""Matching: the short cut over components equals the full solve."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from relaytrack.trackers.association.assignment import assign, solve


def total(score: np.ndarray, pairs: tuple[np.ndarray, np.ndarray]) -> float:
    rows, columns = pairs
    assert len(set(rows.tolist())) == len(rows)
    assert len(set(columns.tolist())) == len(columns)
    assert (score[rows, columns] > 0).all()
    return float(score[rows, columns].sum())


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(0, 14),
    m=st.integers(0, 14),
    density=st.floats(0, 1),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_components_equal_the_full_solve(seed: int, n: int, m: int, density: float, dtype: type) -> None:
    rng = np.random.default_rng(seed)
    score = (np.where(rng.random((n, m)) < density, rng.uniform(0, 1, (n, m)), rng.uniform(-1, 0, (n, m)))).astype(
        dtype
    )
    best = np.maximum(score, 0)
    rows, columns = linear_sum_assignment(-best)
    optimum = float(best[rows, columns].sum())
    assert total(score, assign(score)) == pytest.approx(optimum, rel=1e-5)
    assert total(score, solve(score)) == pytest.approx(optimum, rel=1e-5)


def test_the_solver_sees_only_contested_components(monkeypatch: pytest.MonkeyPatch) -> None:
    import relaytrack.trackers.association.assignment as module

    sizes = []
    inner = module.solve
    monkeypatch.setattr(module, "solve", lambda score: sizes.append(score.shape) or inner(score))
    score = np.diag(np.full(50, 0.9))
    assign(score)
    assert sizes == []
    score[3, 4] = 0.95  # rows 3 and 4 both want column 4
    rows, columns = assign(score)
    assert sizes == [(2, 2)]
    assert sorted(zip(rows, columns, strict=True)) == [(i, i) for i in range(50)]


def test_a_large_crowd_equals_the_full_solve() -> None:
    rng = np.random.default_rng(1)
    at = rng.uniform(0, 1, (200, 2))
    seen = at[:190] + rng.normal(0, 0.01, (190, 2))
    score = 0.08 - np.linalg.norm(at[:, None] - seen[None], axis=2)
    assert total(score, assign(score)) == pytest.approx(total(score, solve(score)))
