"""Runs the networks over all frames of one camera, without tracking."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.records import Detections, Floats, Frame
from relaytrack.pipeline.replay.detection_cache import DetectionCache, SeenFrame
from relaytrack.pipeline.sources import create_source
from relaytrack.pipeline.tracking.camera_motion import CameraMotion

Seen = tuple[Detections, Floats | None]

_BATCH = 4


def observe(
    config: Config, *, embed: bool = True, boxes: DetectionCache | None = None, camera_moves: bool = False
) -> Iterator[SeenFrame]:
    """Detect (and embed) in every frame of the configuration's only camera, a file or folder of images.

    The camera is opened before the networks are loaded, when the first frame is asked for.

    Args:
        config: its only camera is read to the end.
        embed: False leaves the embeddings out.
        boxes: take these detections instead of a detector's, to embed them anew.
        camera_moves: also estimate how the camera moves.

    Raises:
        RelayTrackError: the camera, the detector or its device is not usable.
        ReidError: the same of the embedder.
    """
    source = create_source(
        config.cameras[0], config.input, config.run, started=time.monotonic(), stop=threading.Event()
    )
    source.open()
    try:
        look = _networks(config, embed, boxes)
        motion = CameraMotion() if camera_moves else None
        for batch in _batches(source.frames()):
            for frame, (found, vectors) in zip(batch, look(batch), strict=True):
                warp = None if motion is None else motion.follow(frame.image, found.xyxy)
                yield SeenFrame(frame.index, frame.time, found.xyxy, found.scores, vectors, source.size, warp)
    finally:
        source.close()


def _networks(config: Config, embed: bool, boxes: DetectionCache | None) -> Callable[[Sequence[Frame]], list[Seen]]:
    """Load what is needed and return the function from a batch of frames to what was seen in each."""
    if embed:
        from relaytrack.pipeline.build import create_perception

        perception = create_perception(config)
        if boxes is not None:
            perception.detector = _GivenBoxes(boxes)
        return lambda batch: [(one.detections, one.embeddings) for one in perception.perceive(batch)]
    from relaytrack.pipeline.config.device import resolve_device
    from relaytrack.pipeline.perception.detectors import create_detector

    detector = create_detector(config, resolve_device(config.run.device))
    return lambda batch: [(found, None) for found in detector.detect(batch)]


class _GivenBoxes:
    """A detector that looks the frames up in a cache; see `relaytrack.pipeline.perception.detectors.base.Detector`."""

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
