"""Synthetic tracklets: people who walk through many cameras, for measuring the identity service without networks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from relaytrack.pipeline.identity.messages import TrackletMessage
from relaytrack.pipeline.records import Floats, FrameInfo

SIZE = (1920, 1080)
_NOISE = 0.015  # per component of an embedding: two of one person lie at a cosine of about 0.9
_STAY = 20.0  # seconds in the picture of one camera, on average


@dataclass(slots=True)
class _Walker:
    track: int
    looks: Floats
    begun: float
    until: float
    place: Floats
    speed: Floats


@dataclass(slots=True)
class CameraStream:
    """One camera's people; iterating `messages` gives a message a frame, the same for the same seed.

    Args:
        name: the camera's name.
        people: in the picture at a time.
        fps: frames per second.
        dim: length of an embedding.
        seed: of the looks and ways; cameras of one seed see the same people one after the other.
        number: of the camera: it is `number` milliseconds later than camera 0.
        known: people who walk about at all; None: 50 times as many as are in the picture.
    """

    name: str
    people: int = 20
    fps: float = 5.0
    dim: int = 512
    seed: int = 20261120
    number: int = 0
    known: int | None = None
    _tracks: int = field(default=0, init=False)

    def messages(self, frames: int) -> Iterator[TrackletMessage]:
        """The messages of so many frames."""
        rng = np.random.default_rng([self.seed, self.number])
        walkers = [self._enter(rng, 0.0, first=True) for _ in range(self.people)]
        for frame in range(frames):
            time = frame / self.fps + self.number * 1e-3
            walkers = [one if time < one.until else self._enter(rng, time) for one in walkers]
            boxes = np.stack([self._box(one, time) for one in walkers])
            vectors = np.stack([one.looks for one in walkers])
            vectors = vectors + rng.normal(0, _NOISE, vectors.shape).astype(np.float32)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            scores = rng.uniform(0.5, 0.95, len(walkers)).astype(np.float32)
            ids = np.array([one.track for one in walkers], np.int64)
            order = np.argsort(ids)
            info = FrameInfo(self.name, frame + 1, time, SIZE)
            yield TrackletMessage(info, ids[order], boxes[order], scores[order], vectors[order])

    def _enter(self, rng: np.random.Generator, time: float, *, first: bool = False) -> _Walker:
        self._tracks += 1
        person = np.random.default_rng([self.seed, 7, int(rng.integers(0, self.known or 50 * self.people))])
        looks = person.normal(size=self.dim).astype(np.float32)
        stay = float(rng.exponential(_STAY)) if first else float(rng.uniform(0.5, 1.5) * _STAY)
        place = rng.uniform((50, 50), (1700, 700)).astype(np.float32)
        speed = rng.normal(0, 10, 2).astype(np.float32)
        return _Walker(self._tracks, looks / np.linalg.norm(looks), time, time + max(stay, 1.0), place, speed)

    @staticmethod
    def _box(one: _Walker, time: float) -> Floats:
        corner = np.clip(one.place + one.speed * np.float32(time - one.begun), 0, (1800, 800))
        return np.concatenate([corner, corner + np.array([90, 220], np.float32)]).astype(np.float32)
