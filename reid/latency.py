"""Time per crop of weights as the pipeline uses them: resized, normalised, embedded."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Sequence

import numpy as np

from relaytrack.reid.cost import interleaved
from relaytrack.reid.embedder import Embedder

CROP = (180, 72)
"""Height and width of the crops, pixels: a person some way off."""


@dataclasses.dataclass(frozen=True, slots=True)
class Latency:
    """One embedder with one batch size.

    Attributes:
        weights: the file.
        provider: what computes, see `Embedder`.
        height: of the network's input.
        width: of the network's input.
        batch: crops in a call.
        median: milliseconds per crop by the clock, the median call.
        p90: the same, the 90th percentile.
    """

    weights: str
    provider: str
    height: int
    width: int
    batch: int
    median: float
    p90: float


def measure_latency(
    embedders: Sequence[Embedder], *, batches: Sequence[int] = (16,), rounds: int = 40
) -> list[Latency]:
    """Call embedders in turn (`relaytrack.reid.cost.interleaved`), after two calls of each to warm up.

    Args:
        embedders: what to measure; batches larger than their `batch_size` go through the network in parts.
        batches: crops in a call.
        rounds: timed calls of each.
    """
    draw = np.random.default_rng(0)
    rows = []
    for batch in batches:
        crops = [draw.integers(0, 256, (*CROP, 3), dtype=np.uint8) for _ in range(batch)]
        runs = [functools.partial(embedder, crops) for embedder in embedders]
        took = interleaved(runs, rounds, time.perf_counter, warm_up=2)
        for embedder, times in zip(embedders, took, strict=True):
            median, p90 = (float(seconds) * 1e3 / batch for seconds in np.percentile(times, (50, 90)))
            rows.append(Latency(embedder.weights.name, embedder.provider, *embedder.input_size, batch, median, p90))
    return rows
