"""Runs the networks over all frames of one camera, without tracking: the same source and stage as a run."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from itertools import islice

from relaytrack.pipeline.build import create_perception
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.identity.network_mark import mark_of
from relaytrack.pipeline.perception.detectors.base import Detector
from relaytrack.pipeline.records import Detections, Frame
from relaytrack.pipeline.replay.detection_cache import DetectionCache, SeenFrame
from relaytrack.pipeline.sources import create_source
from relaytrack.pipeline.tracking.camera_motion import CameraMotion

_BATCH = 4


class Observer:
    """Detects (and embeds) in every frame of the configuration's only camera, a file or folder of images.

    Making one opens the camera, then loads the networks. To be used in a `with` block.

    Args:
        config: its only camera is read to the end.
        embed: False leaves the embeddings out.
        boxes: take these detections instead of a detector's, to embed them anew.

    Attributes:
        detector: where the detections come from.
        network: the mark of the network that makes the embeddings, None without.

    Raises:
        RelayTrackError: the camera, the detector or its device is not usable.
        ReidError: the same of the embedder.
    """

    def __init__(self, config: Config, *, embed: bool = True, boxes: DetectionCache | None = None) -> None:
        self._source = create_source(
            config.cameras[0], config.input, config.run, started=time.monotonic(), stop=threading.Event()
        )
        self._source.open()
        try:
            given = None if boxes is None else _GivenBoxes(boxes)
            self._perception = create_perception(config, detector=given, embed=embed)
        except BaseException:
            self._source.close()
            raise
        self.detector: Detector = self._perception.detector
        self.network = mark_of(self._perception.embedder)

    def __enter__(self) -> Observer:
        return self

    def __exit__(self, *_: object) -> None:
        self._source.close()

    def frames(self, *, camera_moves: bool = False) -> Iterator[SeenFrame]:
        """Go through the frames; `camera_moves` also estimates how the camera moves.

        Raises:
            RelayTrackError: the camera or the detector fails.
        """
        motion = CameraMotion() if camera_moves else None
        frames = self._source.frames()
        while batch := list(islice(frames, _BATCH)):
            for seen in self._perception.perceive(batch):
                frame, found = seen.frame, seen.detections
                warp = None if motion is None or seen.image is None else motion.follow(seen.image, found.xyxy)
                vectors = seen.embeddings if seen.embeddings.shape[1] else None
                yield SeenFrame(
                    frame.index, frame.time, found.xyxy, found.scores, vectors, frame.size, warp, frame.roi_origin
                )


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
