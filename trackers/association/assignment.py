"""Optimal one-to-one matching, fast because most of it needs no solver.

After gating, the matrix of scores splits into small connected components. Where the best columns of all rows of a
component are distinct, they are the solution: no matching can score more than the sum of the row maxima. Only
components in which two rows want one column go to the Jonker-Volgenant solver (`lap`).
"""

from __future__ import annotations

from typing import Any

import lap
import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.rows import some, where

Index = NDArray[np.int64]


def assign(score: NDArray[Any]) -> tuple[Index, Index]:
    """Choose pairs of rows and columns, each used at most once, of greatest total score.

    Args:
        score: (N, M); a pair of score <= 0 is never chosen.

    Returns:
        rows and columns of the pairs, both (K,).
    """
    if score.size == 0:
        return _none()
    favourite = score.argmax(axis=1)
    rows = where(score[np.arange(len(score)), favourite] > 0)
    columns = favourite[rows]
    contested = np.bincount(columns, minlength=score.shape[1]) > 1
    if not some(contested):
        return rows, columns
    hard_rows, hard_columns = _components_with(contested, score > 0)
    easy = ~hard_rows[rows]
    row_index, column_index = where(hard_rows), where(hard_columns)
    some_rows, some_columns = solve(score[row_index[:, None], column_index])
    return (
        np.concatenate([rows[easy], row_index[some_rows]]),
        np.concatenate([columns[easy], column_index[some_columns]]),
    )


def solve(score: NDArray[Any]) -> tuple[Index, Index]:
    """`assign` by one call of the solver on the whole matrix."""
    if score.size == 0:
        return _none()
    n, m = score.shape
    cost = np.zeros((max(n, m),) * 2)
    np.minimum(-score, 0.0, out=cost[:n, :m])
    _, column_of, _ = lap.lapjv(cost)
    columns = np.asarray(column_of[:n], dtype=np.int64)
    rows = where(columns < m)
    rows = rows[score[rows, columns[rows]] > 0]
    return rows, columns[rows]


def _components_with(
    columns: NDArray[np.bool_], linked: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Rows and columns of the connected components of `linked` (N, M) that hold any of `columns` (M,)."""
    while True:
        rows = np.any(linked[:, columns], axis=1)
        grown = np.any(linked[rows], axis=0)
        if np.count_nonzero(grown) == np.count_nonzero(columns):
            return rows, columns
        columns = grown


def _none() -> tuple[Index, Index]:
    return np.zeros(0, np.int64), np.zeros(0, np.int64)
