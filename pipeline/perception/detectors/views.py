"""Any network that finds people in prepared inputs, made a detector: views, batches, scaling back, duplicates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from relaytrack.pipeline.config.schema import DetectorConfig
from relaytrack.pipeline.perception.detectors.base import inside_picture, suppress
from relaytrack.pipeline.perception.detectors.letterbox import Letterbox
from relaytrack.pipeline.perception.detectors.tiles import View, merge_views, views_of
from relaytrack.pipeline.records import Detections, Floats, Frame, Image


class InputNetwork(Protocol):
    """A network with its pre-processing and decoding.

    Attributes:
        provider: where it really runs.
        most: inputs it takes in one run.
    """

    provider: str
    most: int

    def fit(self, width: int, height: int) -> Letterbox:
        """Say how a view of this size, pixels, lies in the network's input."""
        ...

    def fill(self, out: Floats, image: Image, box: Letterbox) -> None:
        """Write `image` (H, W, 3) uint8 RGB into `out` (3, box.height, box.width) float32 as the network wants it."""
        ...

    def people(self, batch: Floats) -> list[Detections]:
        """Find the people in (B, 3, H, W): for each input boxes in its pixels, in any order, duplicates too."""
        ...


class ViewDetector:
    """The detector. See `relaytrack.pipeline.perception.detectors.base.Detector`.

    Views of the same network shape share one network run (up to `InputNetwork.most` at a time, which bounds the
    memory).

    Args:
        network: what finds people in one input.
        config: thresholds and tiles.
    """

    def __init__(self, network: InputNetwork, config: DetectorConfig) -> None:
        self.provider = network.provider
        self._input = network
        self._config = config

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Find the people of each frame; see `Detector.detect`."""
        views = [
            (number, view)
            for number, frame in enumerate(frames)
            for view in views_of(frame.image.shape[1], frame.image.shape[0], self._config.tiles)
        ]
        boxes = [self._input.fit(view.width, view.height) for _, view in views]
        groups: dict[tuple[int, int], list[int]] = {}
        for entry, box in enumerate(boxes):
            groups.setdefault((box.height, box.width), []).append(entry)
        found: list[list[tuple[View, Detections]]] = [[] for _ in frames]
        for (height, width), entries in groups.items():
            for start in range(0, len(entries), self._input.most):
                chunk = entries[start : start + self._input.most]
                batch = np.empty((len(chunk), 3, height, width), np.float32)
                for row, entry in zip(batch, chunk, strict=True):
                    number, view = views[entry]
                    self._input.fill(row, view.cut(frames[number].image), boxes[entry])
                for entry, raw in zip(chunk, self._input.people(batch), strict=True):
                    number, view = views[entry]
                    mapped = Detections(boxes[entry].back(raw.xyxy), raw.scores)
                    found[number].append((view, self._suppress(inside_picture(mapped, view.width, view.height))))
        return [self._merge(parts) for parts in found]

    def _suppress(self, found: Detections) -> Detections:
        return suppress(found, self._config.iou_threshold, self._config.max_people)

    def _merge(self, parts: list[tuple[View, Detections]]) -> Detections:
        """Put the views of one frame together; a frame looked at as a whole only needs nothing more."""
        if len(parts) == 1:
            return parts[0][1]
        return merge_views(parts, self._config.iou_threshold, self._config.max_people)
