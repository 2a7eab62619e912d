"""A place with two people who never leave, for runs that are ended by force: two cameras, without networks."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Sequence

import numpy as np
from torch import Tensor

from relaytrack.pipeline.records import Detections, Floats, Frame, Image
from relaytrack.pipeline.sources import SourceStats

RATE = 20.0
"""Frames per second of each camera."""
PEOPLE = 2
_SIZE = (160, 120)
_COLOURS = np.array([[250, 30, 30], [30, 250, 30]], np.uint8)


class TwoPeople:
    """A live camera. One person in red and one in green walk to and fro.

    Args:
        name: the camera's name.
    """

    def __init__(self, name: str) -> None:
        self.name, self.live = name, True
        self.fps: float | None = RATE
        self.size: tuple[int, int] | None = _SIZE
        self.stats = SourceStats()
        self._closed = threading.Event()

    def open(self) -> None:
        """Nothing to open."""

    def frames(self) -> Generator[Frame, None, None]:
        """Frames at their time."""
        begin, index = time.monotonic(), 0
        while not self._closed.wait(max(0.0, begin + index / RATE - time.monotonic())):
            index += 1
            self.stats.frames += 1
            now = time.monotonic()
            yield Frame(self.name, index, now - begin, _picture(index), (0, 0), now, time.time())

    def close(self) -> None:
        """End."""
        self._closed.set()


def _picture(index: int) -> Image:
    image = np.full((_SIZE[1], _SIZE[0], 3), 60, np.uint8)
    for person, colour in enumerate(_COLOURS):
        place = (index + 40 * person) % 120
        x = min(place, 120 - place) + 70 * person
        image[30:90, x : x + 24] = colour
    return image


class ColourDetector:
    """Finds both by their colours; see `relaytrack.pipeline.perception.detectors.base.Detector`."""

    provider = "colour"

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """One box per person."""
        return [self._look(frame.image) for frame in frames]

    def _look(self, image: Image) -> Detections:
        boxes = []
        for colour in _COLOURS:
            rows, columns = np.nonzero((image == colour).all(axis=2))
            if len(rows):
                boxes.append([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        return Detections(np.array(boxes, np.float32).reshape(-1, 4), np.full(len(boxes), 0.9, np.float32))


class ColourEmbedder:
    """Tells them apart by their colours; see `relaytrack.pipeline.perception.stage.CropEmbedder`."""

    input_size = (16, 8)
    dim = 3
    threshold = 0.5

    def embed(self, crops: Tensor) -> Floats:
        """The mean colour of each crop, (N, 3), of length 1."""
        mean = crops.float().mean(dim=(2, 3)).cpu().numpy().astype(np.float32)
        return np.asarray(mean / np.linalg.norm(mean, axis=1, keepdims=True), np.float32)
