"""Whether two embeddings come from the same network: a network is known by its mark."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_ALIKE = 0.9
"""Mean cosine of two marks from which on they are one network's. The 8-bit form of a network, and one that averages
with the mirrored picture, have 0.96 to 0.99; one whose weights were moved by 10 % of their spread 0.79, others 0."""


def mark_of(embedder: object | None) -> bytes | None:
    """The mark of a network: rows of numbers, float16; None of one that has none, or where there is no network."""
    mark = getattr(embedder, "fingerprint", None)
    return mark if isinstance(mark, bytes) and mark else None


def as_array(mark: bytes) -> NDArray[np.uint8]:
    """A mark as an array of a .npz file."""
    return np.frombuffer(mark, np.uint8)


def mark_in(array: NDArray[Any] | None) -> bytes | None:
    """The mark that `as_array` made an array of; None where there is none."""
    return array.tobytes() if array is not None and array.dtype == np.uint8 and array.size else None


def same_network(one: bytes | None, other: bytes | None) -> bool:
    """Whether two marks are of one network; True where one of them is not known."""
    if not one or not other:
        return True
    if len(one) != len(other) or len(one) % 2:  # two bytes a number
        return False
    first, second = (np.frombuffer(mark, "<f2").astype(np.float64) for mark in (one, other))
    norms = float(np.linalg.norm(first) * np.linalg.norm(second))
    return norms > 0 and float(first @ second) >= _ALIKE * norms
