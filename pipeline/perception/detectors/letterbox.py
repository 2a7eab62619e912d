"""From pictures of any size to a network's input and back: scale, pad, normalise."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from relaytrack.pipeline.records import Floats, Image


@dataclass(frozen=True, slots=True)
class Letterbox:
    """How one picture lies in the network's input: scaled by `scale` in its top left corner, the rest padding.

    Attributes:
        width: of the network's input, pixels, a multiple of the coarsest stride.
        height: of the network's input, likewise.
        inner: (width, height) of the scaled picture in it.
        scale: (x, y) input pixels per picture pixel.
    """

    width: int
    height: int
    inner: tuple[int, int]
    scale: tuple[float, float]

    @staticmethod
    def fit(width: int, height: int, side: int, multiple: int = 32) -> Letterbox:
        """Fit a picture so that its longer side fills `side`; the shorter is padded only to the next multiple.

        A picture that is not square so costs less than a square input would: a 576 x 352 one 256 x 416 pixels
        of work instead of 416 x 416.
        """
        ratio = side / max(width, height)
        inner = max(1, round(width * ratio)), max(1, round(height * ratio))
        full = [-(-length // multiple) * multiple for length in inner]
        return Letterbox(full[0], full[1], inner, (inner[0] / width, inner[1] / height))

    def back(self, boxes: Floats) -> Floats:
        """Map boxes (N, 4) xyxy from input pixels to picture pixels."""
        return np.asarray(boxes / np.array(self.scale * 2, np.float32), np.float32)


class Normaliser:
    """Fills a network's input: letterbox, channels in the network's order, (value - mean) / std.

    Args:
        mean: of the three channels in the network's order, in 0..255.
        std: likewise.
        bgr: the network wants blue, green, red.
    """

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...], bgr: bool) -> None:
        values = np.arange(256, dtype=np.float32)
        self._tables = [(values - np.float32(m)) / np.float32(s) for m, s in zip(mean, std, strict=True)]
        self._order = (2, 1, 0) if bgr else (0, 1, 2)

    def fill(self, out: Floats, image: Image, box: Letterbox) -> None:
        """Write `image` (H, W, 3) uint8 RGB into `out` (3, box.height, box.width) float32; padding is black."""
        width, height = box.inner
        if (image.shape[1], image.shape[0]) != box.inner:
            image = np.asarray(cv2.resize(image, box.inner, interpolation=cv2.INTER_LINEAR), np.uint8)
        planes = cv2.split(image)
        for plane, table, source in zip(out, self._tables, self._order, strict=True):
            plane[:height, :width] = cv2.LUT(planes[source], table)
            plane[height:] = table[0]
            plane[:height, width:] = table[0]
