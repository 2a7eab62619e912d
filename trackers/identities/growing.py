"""Arrays that grow with the number of slots."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def enlarged(values: NDArray[Any], size: int, fill: float = 0.0) -> NDArray[Any]:
    """A copy (size, ...) of an array (N, ...) with `fill` in the new rows.

    Args:
        values: (N, ...), N <= size.
        size: rows of the copy.
        fill: value of the new rows.
    """
    shape = (size, *values.shape[1:])  # zeros take no memory before they are written
    larger = np.full(shape, fill, values.dtype) if fill else np.zeros(shape, values.dtype)
    larger[: len(values)] = values
    return larger


def extended(values: NDArray[Any], size: int) -> NDArray[Any]:
    """As `enlarged` with zeros, but without a copy where the system can move memory; no view of `values` may be in use.

    Hundreds of megabytes that are copied keep a step waiting.
    """
    try:
        values.resize((size, *values.shape[1:]), refcheck=False)
    except ValueError:  # the memory belongs to somebody else
        return enlarged(values, size)
    return values


def enlarged_square(values: NDArray[Any], size: int) -> NDArray[Any]:
    """A copy (size, size) of a matrix (N, N), N <= size, with zeros in the new rows and columns."""
    larger = np.zeros((size, size), values.dtype)
    larger[: len(values), : len(values)] = values
    return larger


def enlarge(owner: object, names: Iterable[str], size: int, fill: float = 0.0) -> None:
    """Replace attributes of an object by their `enlarged` copies."""
    for name in names:
        setattr(owner, name, enlarged(getattr(owner, name), size, fill))


def enlarge_squares(owner: object, names: Iterable[str], size: int) -> None:
    """Replace attributes of an object by their `enlarged_square` copies."""
    for name in names:
        setattr(owner, name, enlarged_square(getattr(owner, name), size))
