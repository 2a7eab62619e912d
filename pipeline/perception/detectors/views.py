"""Any network that finds people in prepared inputs, made a detector: views, batches, scaling back, duplicates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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

    def fit(self, width: int, height: int, whole: bool) -> Sequence[Letterbox]:
        """Say how a view of this size, pixels, lies in the network's input, or in several of different scale.

        Args:
            width: of the view.
            height: of the view.
            whole: the view is the whole picture, not a tile.
        """
        ...

    def fill(self, out: Floats, image: Image, box: Letterbox) -> None:
        """Write `image` (H, W, 3) uint8 RGB into `out` (3, box.height, box.width) float32 as the network wants it."""
        ...

    def people(self, batch: Floats) -> list[Detections]:
        """Find the people in (B, 3, H, W): for each input boxes in its pixels, in any order, duplicates too."""
        ...


@dataclass(frozen=True, slots=True)
class _Look:
    """One input of the network: view number `place` of frame number `frame`, laid out as `box` says."""

    frame: int
    place: int
    view: View
    box: Letterbox


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
        looks = [
            _Look(number, place, view, box)
            for number, frame in enumerate(frames)
            for place, view in enumerate(self._views(frame))
            for box in self._input.fit(view.width, view.height, place == 0)
        ]
        groups: dict[tuple[int, int], list[_Look]] = {}
        for look in looks:
            groups.setdefault((look.box.height, look.box.width), []).append(look)
        found: dict[tuple[int, int], list[Detections]] = {}
        for (height, width), members in groups.items():
            for start in range(0, len(members), self._input.most):
                chunk = members[start : start + self._input.most]
                batch = np.empty((len(chunk), 3, height, width), np.float32)
                for row, look in zip(batch, chunk, strict=True):
                    self._input.fill(row, look.view.cut(frames[look.frame].image), look.box)
                for look, raw in zip(chunk, self._input.people(batch), strict=True):
                    mapped = Detections(look.box.back(raw.xyxy), raw.scores)
                    inside = inside_picture(mapped, look.view.width, look.view.height)
                    found.setdefault((look.frame, look.place), []).append(inside)
        return [
            self._merge([(view, self._suppress(found[number, place])) for place, view in enumerate(self._views(frame))])
            for number, frame in enumerate(frames)
        ]

    def _views(self, frame: Frame) -> tuple[View, ...]:
        return views_of(frame.image.shape[1], frame.image.shape[0], self._config.tiles)

    def _suppress(self, scales: list[Detections]) -> Detections:
        """Keep the box of highest score where one person was found several times, at one scale or at several."""
        together = scales[0]
        if len(scales) > 1:
            scores = np.concatenate([one.scores for one in scales])
            together = Detections(np.concatenate([one.xyxy for one in scales]), scores)
        return suppress(together, self._config.iou_threshold, self._config.max_people)

    def _merge(self, parts: list[tuple[View, Detections]]) -> Detections:
        """Put the views of one frame together; a frame with one view stays as it is."""
        if len(parts) == 1:
            return parts[0][1]
        return merge_views(parts, self._config.iou_threshold, self._config.max_people)
