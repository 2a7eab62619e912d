"""Which pictures represent a person: the best crops of a track, by score, size and occlusion."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from relaytrack.pipeline.records import Floats, Image
from relaytrack.pipeline.render.jpeg import jpeg
from relaytrack.pipeline.results.folder import writing
from relaytrack.pipeline.sinks.crop_quality import HEIGHT, crop_quality

__all__ = ["Crop", "CropStrip", "crop_quality", "cut", "remove_pictures"]

_BETTER = 1.1  # a new picture must be that much better: encoding each small step would be waste


def cut(image: Image, box: Floats, height: int = HEIGHT) -> Image | None:
    """The part of `image` inside `box` (xyxy pixels), shrunk to at most `height` rows; None if nothing is left."""
    x1, y1 = max(0, math.floor(float(box[0]))), max(0, math.floor(float(box[1])))
    x2, y2 = min(image.shape[1], math.ceil(float(box[2]))), min(image.shape[0], math.ceil(float(box[3])))
    if x2 - x1 < 2 or y2 - y1 < 2:
        return None
    part = image[y1:y2, x1:x2]
    if part.shape[0] > height:
        width = max(1, round(part.shape[1] * height / part.shape[0]))
        return np.asarray(cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    return part


@dataclass(slots=True)
class Crop:
    """One picture of a person as JPEG, a few kilobytes."""

    time: float
    quality: float
    data: bytes


class CropStrip:
    """Keeps the best pictures of one track, spread over its time, in bounded memory.

    The track's time is divided into pieces, each with its best picture; when there are more pieces than `most`,
    their length doubles and neighbours are joined.

    Args:
        most: pictures kept at the most.
        piece: seconds of the first pieces.
    """

    __slots__ = ("_most", "_piece", "_pieces")

    def __init__(self, most: int = 4, piece: float = 2.0) -> None:
        self._most = most
        self._piece = piece
        self._pieces: dict[int, Crop] = {}

    def offer(self, image: Image, box: Floats, quality: float, time: float) -> None:
        """Take the crop of `box` (xyxy pixels of `image`) if it is clearly better than its piece's present one."""
        number = math.floor(time / self._piece)
        known = self._pieces.get(number)
        if known is not None and quality <= known.quality * _BETTER:
            return
        part = cut(image, box)
        if part is None:
            return
        self._pieces[number] = Crop(time, quality, jpeg(part))
        while len(self._pieces) > self._most:
            self._piece *= 2.0
            joined: dict[int, Crop] = {}
            for crop in self._pieces.values():
                number = math.floor(crop.time / self._piece)
                if number not in joined or crop.quality > joined[number].quality:
                    joined[number] = crop
            self._pieces = joined

    @property
    def crops(self) -> list[Crop]:
        """The pictures, in time order; those of less than half the best one's quality are left out."""
        if not self._pieces:
            return []
        enough = 0.5 * max(crop.quality for crop in self._pieces.values())
        return sorted((c for c in self._pieces.values() if c.quality >= enough), key=lambda crop: crop.time)


def remove_pictures(folder: Path, files: Iterable[str]) -> None:
    """Delete picture files below `folder`; names that lead out of it are passed over."""
    for name in files:
        path = (folder / name).resolve()
        if path.is_relative_to(folder.resolve()):
            with writing(path, "delete"):
                path.unlink(missing_ok=True)
