"""A synthetic load for timing trackers: people who wander over a full-HD picture, with embeddings."""

from __future__ import annotations

import numpy as np

from relaytrack.pipeline.records import Floats
from relaytrack.pipeline.replay.detection_cache import DetectionCache

SEED = 20261120
FPS = 30.0
WIDTH, HEIGHT = 1920, 1080
DIM = 512
_DETECTED, _LOW_SCORES, _CLUTTER = 0.95, 0.1, 0.02
_JITTER, _APPEARANCE_NOISE = 2.0, 0.015


def crowd(people: int, frames: int = 200, seed: int = SEED) -> DetectionCache:
    """Make the detections of `people` random walkers.

    Each is found with probability 0.95, the corners off by 2 pixels (standard deviation); a tenth of the scores
    lies in 0.15..0.5, the others in 0.5..0.95. Embeddings are a unit vector per person plus noise of 0.015 per
    component, normalised: two of one person lie at a cosine distance of about 0.10. Two boxes in a hundred are
    clutter with random embeddings. The same numbers and seed give the same load everywhere.
    """
    rng = np.random.default_rng(seed + people)
    extent = np.array([WIDTH, HEIGHT, WIDTH, HEIGHT], np.float64)
    height = rng.uniform(90, 200, people)
    size = np.stack([height * 0.42, height], axis=1)
    room = extent[:2] - size
    place = np.stack([rng.uniform(0, room[:, 0]), rng.uniform(0, room[:, 1])], axis=1)
    speed = rng.normal(0, 2.0, (people, 2)) * np.array([1.5, 0.7])
    looks = _unit(rng.normal(size=(people, DIM)).astype(np.float32))

    numbers, boxes, scores, vectors = [], [], [], []
    for frame in range(1, frames + 1):
        speed += rng.normal(0, 0.15, (people, 2))
        place += speed
        speed = np.where((place < 0) | (place > room), -speed, speed)
        place = np.clip(place, 0, room)
        seen = np.flatnonzero(rng.random(people) < _DETECTED)
        box = np.concatenate([place, place + size], axis=1)[seen] + rng.normal(0, _JITTER, (len(seen), 4))
        low = rng.random(len(seen)) < _LOW_SCORES
        score = np.where(low, rng.uniform(0.15, 0.5, len(seen)), rng.uniform(0.5, 0.95, len(seen)))
        vector = looks[seen] + rng.normal(0, _APPEARANCE_NOISE, (len(seen), DIM)).astype(np.float32)

        ghosts = rng.binomial(people, _CLUTTER)
        corner = np.stack([rng.uniform(0, WIDTH - 60, ghosts), rng.uniform(0, HEIGHT - 140, ghosts)], axis=1)
        box = np.concatenate([box, np.concatenate([corner, corner + np.array([60, 140])], axis=1)])
        score = np.concatenate([score, rng.uniform(0.15, 0.7, ghosts)])
        vector = np.concatenate([vector, rng.normal(size=(ghosts, DIM)).astype(np.float32)])

        box = np.clip(box, 0, extent)
        keep = ((box[:, 2:] - box[:, :2]) > 4).all(axis=1)
        numbers.append(np.full(int(keep.sum()), frame, np.int64))
        boxes.append(box[keep])
        scores.append(score[keep])
        vectors.append(_unit(vector)[keep])
    return DetectionCache(
        np.concatenate(numbers),
        np.concatenate(boxes).astype(np.float32),
        np.concatenate(scores).astype(np.float32),
        np.concatenate(vectors).astype(np.float32),
        np.arange(frames) / FPS,
        (WIDTH, HEIGHT),
    )


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)
