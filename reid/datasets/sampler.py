"""PK sampling: each batch holds P identities with K images each (Hermans et al., 2017)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from relaytrack.reid.errors import DatasetError

Indices = NDArray[np.int64]


class PKSampler:
    """The global batches of a training run, a pure function of (seed, step).

    An epoch is one pass over the identities in random order. Because nothing is remembered between steps, a run
    resumes exactly, and any number of processes sees the same global batches, of which each takes a part of its
    identities (`share`).

    Args:
        ids: (N,) identity of each image.
        identities: P, identities in a batch.
        images: K, images of each; an identity with fewer gives some of them again.
        seed: of the random order.

    Raises:
        DatasetError: fewer than P identities, or K is more than one and no identity has two images.
    """

    def __init__(self, ids: Indices, identities: int = 16, images: int = 4, *, seed: int = 0) -> None:
        order = np.argsort(ids, kind="stable")
        _, starts, counts = np.unique(ids[order], return_index=True, return_counts=True)
        if len(counts) < identities:
            raise DatasetError(f"{len(counts)} identities are too few for batches of {identities} (data.identities)")
        if images > 1 and counts.max() < 2:
            raise DatasetError("no identity has two images: pairs of one person are needed to learn from")
        self._groups = [order[start : start + count] for start, count in zip(starts, counts, strict=True)]
        self.identities = identities
        self.images = images
        self.seed = seed

    @property
    def single(self) -> int:
        """Identities with one image only (it fills its K places alone)."""
        return sum(len(group) == 1 for group in self._groups)

    @property
    def steps_per_epoch(self) -> int:
        """Batches in one pass over the identities; the remainder waits for the next epoch's order."""
        return len(self._groups) // self.identities

    def batch(self, step: int) -> Indices:
        """(P * K,) indices of the global batch of a step, K in a row of each identity."""
        epoch, part = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng((self.seed, epoch)).permutation(len(self._groups))
        chosen = order[part * self.identities : (part + 1) * self.identities]
        draw = np.random.default_rng((self.seed, epoch, part))
        return np.concatenate([self._draw(draw, self._groups[group]) for group in chosen])

    def share(self, step: int, rank: int, world: int) -> Indices:
        """Rank `rank`'s part of the global batch: whole identities, contiguous.

        Raises:
            DatasetError: P cannot be divided by `world`.
        """
        if self.identities % world:
            raise DatasetError(f"{self.identities} identities in a batch cannot be shared by {world} processes")
        part = self.identities // world * self.images
        return self.batch(step)[rank * part : (rank + 1) * part]

    def _draw(self, draw: np.random.Generator, group: Indices) -> Indices:
        if len(group) >= self.images:
            return draw.choice(group, self.images, replace=False)
        return np.concatenate((group, draw.choice(group, self.images - len(group))))
