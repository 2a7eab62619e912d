"""Growing and shrinking columns: the state of all tracks as a structure of arrays.

Track i is row i of every column. Removing tracks fills their rows with the last ones, so that the rows stay
dense and a removal costs as much as it removes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

SMALLEST = 16


def where(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Rows at which `mask` (N,) is True, as np.flatnonzero but at a quarter of its overhead."""
    return mask.nonzero()[0]


def some(mask: NDArray[np.bool_]) -> bool:
    """Whether `mask` is True anywhere, as its method `any` but at a fifth of its overhead."""
    return bool(np.count_nonzero(mask))


def every(mask: NDArray[np.bool_]) -> bool:
    """Whether `mask` is True everywhere."""
    return int(np.count_nonzero(mask)) == mask.size


@dataclass(frozen=True, slots=True)
class Move:
    """How to take rows out: rows `sources` move to the rows `holes`, then `left` rows remain."""

    holes: NDArray[np.int64]
    sources: NDArray[np.int64]
    left: int

    @staticmethod
    def without(dead: NDArray[np.bool_]) -> Move:
        """The move that takes out the rows where `dead` (N,) is True."""
        left = len(dead) - int(np.count_nonzero(dead))
        return Move(where(dead[:left]), left + where(~dead[left:]), left)


class Column:
    """An array (N, *shape) of one number per track that grows by doubling and gives memory back.

    Args:
        *shape: shape of one track's part; none for a scalar.
        dtype: element type.
    """

    def __init__(self, *shape: int, dtype: DTypeLike = np.float64) -> None:
        self._data: NDArray[Any] = np.zeros((SMALLEST, *shape), dtype)
        self._length = 0
        self.values: NDArray[Any] = self._data[:0]
        """(N, *shape), a view to read and to write."""

    def __len__(self) -> int:
        """Number of rows."""
        return self._length

    @property
    def capacity(self) -> int:
        """Number of rows that memory is held for."""
        return len(self._data)

    def append(self, values: NDArray[Any]) -> None:
        """Add rows."""
        start = self._length
        self._resize(start + len(values))
        self.values[start:] = values

    def extend(self, count: int, fill: float = 0) -> None:
        """Add `count` rows of one value."""
        start = self._length
        self._resize(start + count)
        self.values[start:] = fill

    def remove(self, move: Move) -> None:
        """Take rows out."""
        if len(move.holes):
            self._data[move.holes] = self._data[move.sources]
        self._resize(move.left)

    def _resize(self, length: int) -> None:
        capacity = len(self._data)
        if length > capacity or capacity > max(SMALLEST, 8 * length):
            capacity = max(SMALLEST, 2 * length)
            kept = min(self._length, length)
            data = np.zeros((capacity, *self._data.shape[1:]), self._data.dtype)
            data[:kept] = self._data[:kept]
            self._data = data
        self._length = length
        self.values = self._data[:length]
