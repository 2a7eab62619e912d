"""Made-up people who wander from camera to camera, as the association gets them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from relaytrack.trackers import CameraTracks

Floats = NDArray[np.float32]
Views = list[CameraTracks]
D = 32
"""Numbers of an embedding."""


def unit(vectors: NDArray[Any]) -> Floats:
    """Vectors (..., D) of length 1, float32."""
    made: Floats = (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)
    return made


def people(count: int, seed: int = 0) -> Floats:
    """(count, D) embeddings, one per person."""
    return unit(np.random.default_rng(seed).normal(size=(count, D)))


def view(
    camera: str,
    time: float,
    ids: ArrayLike,
    embeddings: Any = None,
    boxes: Any = None,
    size: tuple[int, int] = (640, 480),
) -> CameraTracks:
    """One camera's tracks, side by side where no boxes are given, and without looks where there are no embeddings."""
    ids = np.asarray(ids, np.int64)
    if embeddings is None:
        embeddings = np.full((len(ids), D), np.nan, np.float32)
    if boxes is None:
        left = 60.0 * (ids % 10)
        boxes = np.stack([left + 5, np.full(len(ids), 100.0), left + 45, np.full(len(ids), 200.0)], axis=1)
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    return CameraTracks(camera, time, ids, boxes, np.ones(len(ids), np.float32), embeddings, image_size=size)


def noisy(vectors: Floats, rng: np.random.Generator, amount: float = 0.5) -> Floats:
    """The same people in other pictures."""
    return unit(vectors + amount * rng.normal(size=vectors.shape) / np.sqrt(D))


def crowd(
    seed: int, cameras: int = 3, count: int = 6, steps: int = 60, rate: float = 4.0
) -> tuple[list[Views], dict[tuple[str, int], int]]:
    """People wander from camera to camera; every visit is a track of its own. Returns the views of each step, and
    (camera, track) -> person."""
    rng = np.random.default_rng(seed)
    looks, where = people(count, seed), rng.integers(0, cameras, count)
    track, following, truth = np.arange(1, count + 1), count + 1, {}
    steps_out = []
    for step in range(steps):
        for person in np.flatnonzero(rng.random(count) < 0.06):
            where[person] = rng.integers(0, cameras)
            track[person], following = following, following + 1
        views = []
        for camera in range(cameras):
            here = np.flatnonzero((where == camera) & (rng.random(count) < 0.9))
            truth.update({(f"c{camera}", int(track[p])): int(p) for p in here})
            views.append(view(f"c{camera}", step / rate, track[here], noisy(looks[here], rng)))
        steps_out.append(views)
    return steps_out, truth


def conflicts(steps: list[Views]) -> set[tuple[tuple[str, int], tuple[str, int]]]:
    """Pairs of tracks that were in one frame of a camera, and so are two people."""
    pairs: set[tuple[tuple[str, int], tuple[str, int]]] = set()
    for views in steps:
        for seen in views:
            keys = [(seen.camera, int(track)) for track in seen.ids]
            pairs |= {(a, b) for a in keys for b in keys if a < b}
    return pairs
