"""What the tests of `trackers` share: a made-up crowd that walks, is missed now and then, with clutter between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from relaytrack.trackers import DeepSort


@dataclass(frozen=True, slots=True)
class Shot:
    """One frame: detections (N), the true person of each (-1: clutter), and the time in seconds."""

    xyxy: NDArray[np.float32]
    scores: NDArray[np.float32]
    embeddings: NDArray[np.float32]
    people: NDArray[np.int64]
    time: float


def walk(
    seed: int,
    people: int = 6,
    frames: int = 25,
    fps: float = 10.0,
    found: float = 0.9,
    clutter: float = 0.5,
    dimensions: int = 16,
) -> list[Shot]:
    """Frames of `people` on straight paths; each is found with probability `found`."""
    rng = np.random.default_rng(seed)
    size = (1920, 1080) if people <= 20 else (120.0 * people, 1080)
    height = rng.uniform(80, 200, people)
    foot = rng.uniform((0, 250), size, (people, 2))
    speed = rng.normal(0, 40, (people, 2))
    looks = rng.normal(size=(people, dimensions))
    shots = []
    for k in range(frames):
        who = np.flatnonzero(rng.random(people) < found)
        count = rng.poisson(clutter)
        at = np.concatenate([foot[who] + speed[who] * k / fps, rng.uniform((0, 250), size, (count, 2))])
        tall = np.concatenate([height[who], rng.uniform(80, 200, count)])
        at += rng.normal(0, 0.01, at.shape) * tall[:, None]
        wide = 0.4 * tall
        xyxy = np.stack([at[:, 0] - wide / 2, at[:, 1] - tall, at[:, 0] + wide / 2, at[:, 1]], axis=1)
        xyxy += np.maximum(0, 1 - xyxy[:, 2:].min(axis=1, initial=1, keepdims=True))
        seen = np.concatenate([looks[who], rng.normal(size=(count, dimensions))])
        seen += rng.normal(0, 0.2, seen.shape)
        seen /= np.linalg.norm(seen, axis=1, keepdims=True)
        scores = np.concatenate([rng.uniform(0.5, 0.95, len(who)), rng.uniform(0.1, 0.5, count)])
        shots.append(
            Shot(
                xyxy.astype(np.float32),
                scores.astype(np.float32),
                seen.astype(np.float32),
                np.concatenate([who, np.full(count, -1)]),
                k / fps,
            )
        )
    return shots


@pytest.fixture(scope="session")
def crowd() -> Callable[..., list[Shot]]:
    """The function that makes a crowd."""
    return walk


MAKERS: dict[str, Callable[[], DeepSort]] = {
    "default": DeepSort,
    "classic": DeepSort.classic,
    "filterpy": lambda: DeepSort(kalman="filterpy"),
}


@pytest.fixture(params=MAKERS)
def make(request: pytest.FixtureRequest) -> Callable[[], DeepSort]:
    """Makes a tracker of one camera: each test runs with the defaults, the paper's and the slow filter."""
    return MAKERS[request.param]
