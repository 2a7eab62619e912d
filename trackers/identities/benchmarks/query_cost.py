"""What a step with new tracks costs beside the plain product of their embeddings with all known ones."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.identities.associator import IdentityAssociator
from relaytrack.trackers.identities.types import CameraTracks, Floats

CAMERAS = 4
REST = 10_000.0
"""Seconds between the steps measured: what is due happens then, and tracks beyond the window are closed."""
PICTURE = (1920, 1080)


@dataclass(frozen=True, slots=True)
class QueryCost:
    """Medians over repeated steps, product and step in turn.

    Attributes:
        known: identities in the gallery.
        open_tracks: tracks that were still open to correction.
        queries: new tracks per step.
        size: of the embeddings.
        product: milliseconds of the float32 product (queries, size) x (size, known).
        step: milliseconds of the whole step: tracks taken in, all evidence, joint assignment.
    """

    known: int
    open_tracks: int
    queries: int
    size: int
    product: float
    step: float

    @property
    def ratio(self) -> float:
        """Step over product."""
        return self.step / self.product


def measure(
    known: int, *, size: int = 512, queries: int = 100, open_tracks: int = 500, repeats: int = 15, seed: int = 0
) -> QueryCost:
    """Time steps in which `queries` people known from before turn up in four cameras at once.

    Corrections of the whole window happen between the steps: they have a budget of their own (`revise_every`).

    Args:
        known: identities in the gallery.
        size: of the embeddings.
        queries: new tracks per step.
        open_tracks: tracks open to correction before each step.
        repeats: steps measured.
        seed: of the embeddings, which are random.
    """
    rng = np.random.default_rng(seed)
    looks = _unit(rng.normal(size=(known, size)))
    associator = IdentityAssociator(max_identities=2 * known + 10_000, max_age=0.0, horizon=1e12, window=open_tracks)
    associator.remember(np.arange(1, known + 1), looks, 0.0)
    numbers = iter(range(1, 10**9))

    def people(count: int, moment: float) -> list[CameraTracks]:
        chosen = looks[rng.choice(known, count, replace=count > known)]
        return [
            _view(rng, f"c{camera}", moment, part, [next(numbers) for _ in part])
            for camera, part in enumerate(np.array_split(_unit(chosen + 0.5 * _noise(rng, chosen)), CAMERAS))
        ]

    moment = 0.0
    for _ in range(0, open_tracks + queries, queries):
        moment += REST
        associator.update(people(queries, moment))
    products, steps = [], []
    for repeat in range(repeats + 2):
        moment += REST
        associator.update(people(0, moment))
        moment += 0.1
        views = people(queries, moment)
        asked = np.concatenate([view.embeddings for view in views])
        first = _seconds(lambda asked=asked: asked @ looks.T)  # type: ignore[misc]
        took = _seconds(lambda views=views: associator.update(views))  # type: ignore[misc]
        if repeat >= 2:
            products.append(first)
            steps.append(took)
    products_ms, steps_ms = 1000 * float(np.median(products)), 1000 * float(np.median(steps))
    return QueryCost(known, open_tracks, queries, size, products_ms, steps_ms)


def _view(rng: np.random.Generator, camera: str, moment: float, looks: Floats, ids: list[int]) -> CameraTracks:
    count = len(looks)
    corner = rng.uniform((0, 0), (PICTURE[0] - 60, PICTURE[1] - 160), (count, 2))
    return CameraTracks(
        camera=camera,
        time=moment,
        ids=np.array(ids, np.int64),
        xyxy=np.hstack([corner, corner + np.array([60.0, 160.0])]).astype(np.float32),
        scores=np.full(count, 0.9, np.float32),
        embeddings=looks,
        image_size=PICTURE,
    )


def _noise(rng: np.random.Generator, like: Floats) -> Floats:
    return _unit(rng.normal(size=like.shape))


def _unit(vectors: NDArray[Any]) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
