"""Batches of random views, made ahead of the network by background threads."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relaytrack.reid.datasets.augment import Augment
from relaytrack.reid.datasets.base import Split
from relaytrack.reid.datasets.images import ImageCache
from relaytrack.reid.datasets.sampler import PKSampler
from relaytrack.reid.training.config import TrainConfig


@dataclass(frozen=True, slots=True)
class Batch:
    """One process's share of a step.

    Attributes:
        step: which step it is for.
        images: (B, H, W, 3) uint8 RGB.
        labels: (B,) int64 class of each image.
        seconds: what making it took.
    """

    step: int
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    seconds: float


def make_cache(config: TrainConfig, train: Split, world: int = 1) -> ImageCache:
    """The cache of a run's training images (this process's part of the memory that the run may take)."""
    model = config.model
    return ImageCache(train.paths, model.height, model.width, limit_mib=config.data.cache_mib / world)


class BatchMaker:
    """Makes this process's share of any step: the same for the same (seed, step), however many processes.

    Args:
        cache: the images.
        labels: (N,) class of each.
        sampler: which images a step has.
        augment: the random views.
        rank: this process.
        world: processes in all.
    """

    def __init__(
        self,
        cache: ImageCache,
        labels: NDArray[np.int64],
        sampler: PKSampler,
        augment: Augment,
        *,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.cache = cache
        self.labels = labels
        self.sampler = sampler
        self.augment = augment
        self.rank = rank
        self.world = world

    def make(self, step: int, size: tuple[int, int]) -> Batch:
        """The share of one step, views of (height, width)."""
        started = time.perf_counter()
        indices = self.sampler.share(step, self.rank, self.world)
        first = self.rank * len(indices)
        views = np.empty((len(indices), *size, 3), np.uint8)
        for place, index in enumerate(indices):
            draw = np.random.default_rng((self.sampler.seed, step, first + place, 7))
            views[place] = self.augment.view(self.cache.get(int(index)), *size, draw)
        return Batch(step, views, self.labels[indices], time.perf_counter() - started)

    def ahead(
        self, start: int, size: Callable[[], tuple[int, int]], *, workers: int = 1, depth: int = 2
    ) -> Generator[Batch, None, None]:
        """Batches from step `start` on without end, `depth` of them made ahead.

        Args:
            start: the first step.
            size: asked for the present (height, width); batches of another size are made anew.
            workers: threads.
            depth: batches made ahead.
        """
        with ThreadPoolExecutor(workers) as pool:
            waiting: deque[Future[Batch]] = deque()
            step = start
            try:
                while True:
                    while len(waiting) <= depth:
                        waiting.append(pool.submit(self.make, step + len(waiting), size()))
                    batch = waiting.popleft().result()
                    if batch.images.shape[1:3] != size():
                        batch = self.make(step, size())
                    yield batch
                    step += 1
            finally:
                for future in waiting:
                    future.cancel()
