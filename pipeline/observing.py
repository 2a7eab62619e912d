"""Runs the networks over all frames of one camera and keeps what they found, without tracking."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import numpy as np

from pipeline.config import Config
from pipeline.detection_cache import DetectionCache
from pipeline.frames import Detections, Floats, Frame
from pipeline.sources import create_source

Seen = tuple[Detections, Floats | None]

_BATCH = 4


def observe(config: Config, *, embed: bool = True, boxes: DetectionCache | None = None) -> DetectionCache:
    """Detect (and embed) in every frame of the configuration's only camera, a file or folder of images.

    Args:
        config: its only camera is read to the end.
        embed: False leaves the embeddings out.
        boxes: take these detections instead of a detector's, to embed them anew.

    Raises:
        RelayTrackError: the camera, the detector or its device is not usable.
        ReidError: the same of the embedder.
    """
    source = create_source(
        config.cameras[0], config.input, config.run, started=time.monotonic(), stop=threading.Event()
    )
    source.open()
    moments: list[tuple[int, float]] = []
    seen: list[Seen] = []
    try:
        look = _networks(config, embed, boxes)
        for batch in _batches(source.frames()):
            moments.extend((frame.index, frame.time) for frame in batch)
            seen.extend(look(batch))
    finally:
        source.close()
    return _assemble(moments, seen, source.size)


def _networks(config: Config, embed: bool, boxes: DetectionCache | None) -> Callable[[Sequence[Frame]], list[Seen]]:
    """Load what is needed and return the function from a batch of frames to what was seen in each."""
    if embed:
        from pipeline.factory import create_perception

        perception = create_perception(config)
        if boxes is not None:
            perception.detector = _GivenBoxes(boxes)
        return lambda batch: [(one.detections, one.embeddings) for one in perception.perceive(batch)]
    from pipeline.detectors import create_detector
    from pipeline.device import resolve_device

    detector = create_detector(config, resolve_device(config.run.device))
    return lambda batch: [(found, None) for found in detector.detect(batch)]


class _GivenBoxes:
    """A detector that looks the frames up in a cache; see `pipeline.detectors.base.Detector`."""

    provider = "cache"

    def __init__(self, cache: DetectionCache) -> None:
        self._cache = cache
        self._rows = cache.per_frame()

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        known = len(self._rows)
        rows = [self._rows[one.index - 1] if one.index <= known else slice(0, 0) for one in frames]
        return [Detections(self._cache.xyxy[here], self._cache.scores[here]) for here in rows]


def _batches(frames: Iterator[Frame]) -> Iterator[list[Frame]]:
    while batch := list(islice(frames, _BATCH)):
        yield batch


def _assemble(
    moments: Sequence[tuple[int, float]],
    seen: Sequence[Seen],
    size: tuple[int, int] | None,
) -> DetectionCache:
    """Join the frames; a frame that was left out or broken gets a time between its neighbours and no detection."""
    index = np.array([number for number, _ in moments], np.int64)
    stamps = np.array([stamp for _, stamp in moments], np.float64)
    counts = [len(found) for found, _ in seen]
    length = int(index[-1]) if len(index) else 0
    times = np.interp(np.arange(1, length + 1), index, stamps) if length else np.zeros(0)
    vectors = [vector for _, vector in seen if vector is not None]
    return DetectionCache(
        frames=np.repeat(index, counts) if len(index) else np.zeros(0, np.int64),
        xyxy=np.concatenate([np.zeros((0, 4), np.float32), *(found.xyxy for found, _ in seen)]),
        scores=np.concatenate([np.zeros(0, np.float32), *(found.scores for found, _ in seen)]),
        embeddings=np.concatenate(vectors) if vectors else None,
        times=times,
        size=size,
    )
