"""From pictures of any size to a network's input and back: scale, pad, normalise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from relaytrack.pipeline.records import Floats, Image

Placement = Literal["corner", "centre", "stretch"]


@dataclass(frozen=True, slots=True)
class Letterbox:
    """How one picture lies in the network's input: scaled by `scale`, put at `offset`, the rest is padding.

    Attributes:
        width: of the network's input, pixels.
        height: of the network's input, likewise.
        inner: (width, height) of the scaled picture in it.
        scale: (x, y) input pixels per picture pixel.
        offset: (x, y) of the scaled picture's top left corner in the input.
    """

    width: int
    height: int
    inner: tuple[int, int]
    scale: tuple[float, float]
    offset: tuple[int, int] = (0, 0)

    @staticmethod
    def fit(width: int, height: int, side: int, multiple: int = 32) -> Letterbox:
        """Fit a picture so that its longer side fills `side`; the shorter is padded only to the next multiple.

        A picture that is not square therefore costs less than in a square input: one of 576 x 352 pixels takes 256 x
        416 instead of 416 x 416.
        """
        ratio = side / max(width, height)
        inner = max(1, round(width * ratio)), max(1, round(height * ratio))
        full = [-(-length // multiple) * multiple for length in inner]
        return Letterbox(full[0], full[1], inner, (inner[0] / width, inner[1] / height))

    @staticmethod
    def into(width: int, height: int, full: tuple[int, int], how: Placement = "corner") -> Letterbox:
        """Put a picture into an input of a fixed size.

        Args:
            width: of the picture, pixels.
            height: of the picture, likewise.
            full: (width, height) of the input.
            how: "corner" and "centre" keep the picture's shape and pad the rest; "stretch" fills the input.
        """
        if how == "stretch":
            return Letterbox(*full, full, (full[0] / width, full[1] / height))
        ratio = min(full[0] / width, full[1] / height)
        inner = (min(full[0], max(1, round(width * ratio))), min(full[1], max(1, round(height * ratio))))
        offset = (0, 0) if how == "corner" else ((full[0] - inner[0]) // 2, (full[1] - inner[1]) // 2)
        return Letterbox(*full, inner, (inner[0] / width, inner[1] / height), offset)

    def back(self, boxes: Floats) -> Floats:
        """Map boxes (N, 4) xyxy from input pixels to picture pixels."""
        shift = np.array(self.offset * 2, np.float32)
        return np.asarray((boxes - shift) / np.array(self.scale * 2, np.float32), np.float32)


class Normaliser:
    """Fills a network's input: letterbox, channels in the network's order, (value - mean) / std.

    Args:
        mean: of the three channels in the network's order, in 0..255.
        std: likewise.
        bgr: the network wants blue, green, red.
        padding: grey value, 0..255, of what the picture does not cover.
    """

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...], bgr: bool, padding: int = 0) -> None:
        values = np.arange(256, dtype=np.float32)
        self._tables = [(values - np.float32(m)) / np.float32(s) for m, s in zip(mean, std, strict=True)]
        self._padding = padding
        self._order = (2, 1, 0) if bgr else (0, 1, 2)

    def fill(self, out: Floats, image: Image, box: Letterbox) -> None:
        """Write `image` (H, W, 3) uint8 RGB into `out` (3, box.height, box.width) float32."""
        (width, height), (x, y) = box.inner, box.offset
        if (image.shape[1], image.shape[0]) != box.inner:
            image = np.asarray(cv2.resize(image, box.inner, interpolation=cv2.INTER_LINEAR), np.uint8)
        planes = cv2.split(image)
        for plane, table, source in zip(out, self._tables, self._order, strict=True):
            grey = table[self._padding]
            plane[:y] = grey
            plane[y + height :] = grey
            plane[y : y + height, :x] = grey
            plane[y : y + height, x + width :] = grey
            cv2.LUT(planes[source], table, dst=plane[y : y + height, x : x + width])
