"""The appearance of tracks: what is kept of their embeddings."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.rows import Column, Move, where

Vectors = NDArray[np.float32]
Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]

_NO_SHARE = 1e-7  # of the old mean: less is lost in single precision


class FeatureMemory(Protocol):
    """Embeddings of N tracks, kept in rows 0..N-1."""

    @property
    def known(self) -> Mask:
        """(N,) True for tracks that an embedding is known of."""

    def append(self, embeddings: Vectors, embedded: Mask) -> None:
        """Add a track for each row of `embeddings` (M, D), empty where `embedded` (M,) is False."""

    def remove(self, move: Move) -> None:
        """Give up tracks."""

    def learn(self, rows: Rows, embeddings: Vectors) -> None:
        """Add an embedding (M, D) to each of the tracks `rows`."""

    def cosines(self, embeddings: Vectors) -> Vectors:
        """(N, M) cosines of the tracks with `embeddings` (M, D)."""


class RunningMean:
    """One vector per track: the exponential moving average of its embeddings, at unit length.

    Args:
        dimensions: D.
        momentum: share of the old average in the new one.
    """

    def __init__(self, dimensions: int, momentum: float) -> None:
        self._momentum = momentum
        self._known = Column(dtype=np.bool_)
        self._mean = Column(dimensions, dtype=np.float32)

    @property
    def known(self) -> Mask:
        """(N,) True for tracks that an embedding is known of."""
        return self._known.values

    def append(self, embeddings: Vectors, embedded: Mask) -> None:
        """Add tracks."""
        self._known.append(embedded)
        self._mean.append(embeddings)

    def remove(self, move: Move) -> None:
        """Give up tracks."""
        self._known.remove(move)
        self._mean.remove(move)

    def learn(self, rows: Rows, embeddings: Vectors) -> None:
        """Blend an embedding into each mean."""
        new = where(~self._known.values[rows])
        if self._momentum > _NO_SHARE:
            mixed = self._mean.values[rows]  # the length comes right below
            mixed += np.float32((1.0 - self._momentum) / self._momentum) * embeddings
            mixed[new] = embeddings[new]
        else:
            mixed = embeddings.copy()
        mixed *= 1.0 / (np.sqrt(np.einsum("nd,nd->n", mixed, mixed))[:, None] + np.float32(1e-12))
        self._mean.values[rows] = mixed
        self._known.values[rows] = True

    def cosines(self, embeddings: Vectors) -> Vectors:
        """(N, M) cosines of the means with `embeddings`."""
        cosines: Vectors = self._mean.values @ embeddings.T
        return cosines


class RecentEmbeddings:
    """The last `budget` embeddings of each track; the closest one counts (DeepSORT, equation 2).

    Args:
        dimensions: D.
        budget: embeddings kept per track.
    """

    def __init__(self, dimensions: int, budget: int) -> None:
        self._budget = budget
        self._dimensions = dimensions
        self._stored = Column(dtype=np.int64)
        self._vectors = Column(budget, dimensions, dtype=np.float32)

    @property
    def known(self) -> Mask:
        """(N,) True for tracks that an embedding is known of."""
        return self._stored.values > 0

    def append(self, embeddings: Vectors, embedded: Mask) -> None:
        """Add tracks."""
        self._stored.append(embedded)
        self._vectors.extend(len(embeddings))
        self._vectors.values[len(self._vectors) - len(embeddings) :, 0] = embeddings

    def remove(self, move: Move) -> None:
        """Give up tracks."""
        self._stored.remove(move)
        self._vectors.remove(move)

    def learn(self, rows: Rows, embeddings: Vectors) -> None:
        """Put an embedding in the place of the oldest."""
        self._vectors.values[rows, self._stored.values[rows] % self._budget] = embeddings
        self._stored.values[rows] += 1

    def cosines(self, embeddings: Vectors) -> Vectors:
        """(N, M) greatest cosine of each track's embeddings with `embeddings`."""
        n, m = len(self._stored), len(embeddings)
        held = min(int(self._stored.values.max(initial=0)), self._budget)
        all_cosines = self._vectors.values[:, :held].reshape(n * held, self._dimensions) @ embeddings.T
        all_cosines = all_cosines.reshape(n, held, m)
        all_cosines[np.arange(held) >= self._stored.values[:, None]] = -1.0
        closest: Vectors = all_cosines.max(axis=1, initial=-1.0)
        return closest
