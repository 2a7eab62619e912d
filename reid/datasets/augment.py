"""Random views of a crop for training, fast enough for one CPU thread.

Resize, flip, shift, scale and stretch are one affine warp; brightness, contrast, gamma and colour casts are one
table look-up. The same generator gives the same view.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

_MEAN = (124, 116, 104)  # ImageNet's mean colour: what is drawn where there is no picture


@dataclass(frozen=True, slots=True)
class Augment:
    """Which random changes are made, and how strong.

    Attributes:
        flip: probability of mirroring left and right.
        shift: largest shift in either direction, as a part of the height (0.04: the usual 10 pixels at 256).
        scale: largest change of the scale, and again of the aspect (0.1: 0.9 to 1.1).
        erase: probability of erasing a rectangle (Zhong et al., AAAI 2020).
        jitter: strength of brightness, contrast, saturation, gamma and colour cast; 0 is none, 1 is strong.
        grey: probability of losing all colour.
        downscale: probability of a view of few pixels, as of a far-away person.
        blur: probability of a slight blur.
    """

    flip: float = 0.5
    shift: float = 0.04
    scale: float = 0.0
    erase: float = 0.5
    jitter: float = 0.0
    grey: float = 0.0
    downscale: float = 0.0
    blur: float = 0.0

    def view(self, image: Image, height: int, width: int, draw: np.random.Generator) -> Image:
        """A random view (height, width, 3) uint8 of an RGB image of any size."""
        if draw.random() < self.downscale:
            image = _shrink(image, draw.uniform(0.25, 0.8))
        view = self._warp(image, height, width, draw)
        if self.jitter:
            view = _colours(view, self.jitter, draw)
        if draw.random() < self.grey:
            view = np.repeat(cv2.cvtColor(view, cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2).astype(np.uint8)
        if draw.random() < self.blur:
            view = cv2.GaussianBlur(view, (0, 0), draw.uniform(0.5, 1.5) * height / 256).astype(np.uint8)
        if draw.random() < self.erase:
            _erase(view, draw)
        return view

    def _warp(self, image: Image, height: int, width: int, draw: np.random.Generator) -> Image:
        h, w = image.shape[:2]
        zoom, stretch = 1 + draw.uniform(-self.scale, self.scale, 2)
        sx, sy = width / w * zoom * stretch, height / h * zoom / stretch
        if draw.random() < self.flip:
            sx = -sx
        dx, dy = draw.uniform(-self.shift, self.shift, 2) * (height, height)
        # the centre of the image goes to the centre of the view, plus the shift
        matrix = np.array([[sx, 0, (width - sx * (w - 1) - 1) / 2 + dx], [0, sy, (height - sy * (h - 1) - 1) / 2 + dy]])
        view = cv2.warpAffine(
            image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=_MEAN
        )
        return np.asarray(view, np.uint8)


def _shrink(image: Image, factor: float) -> Image:
    h, w = image.shape[:2]
    size = (max(8, round(w * factor)), max(16, round(h * factor)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _colours(image: Image, strength: float, draw: np.random.Generator) -> Image:
    """Saturation and hue as one 3 x 3 matrix; brightness, contrast, gamma and cast as one table per channel."""
    saturation = 1 + strength * draw.uniform(-0.5, 0.5)
    angle = strength * draw.uniform(-0.3, 0.3)  # radians around the grey axis
    image = cv2.transform(image, _colour_matrix(saturation, angle)).astype(np.uint8)
    levels = np.arange(256, dtype=np.float32) / 255
    gamma = np.exp(strength * draw.uniform(-0.5, 0.5))
    contrast = 1 + strength * draw.uniform(-0.4, 0.4)
    gains = (1 + strength * draw.uniform(-0.4, 0.4)) * (1 + strength * draw.uniform(-0.15, 0.15, 3))
    table = ((levels**gamma - 0.5) * contrast + 0.5)[:, None] * gains
    return cv2.LUT(image, np.clip(table * 255, 0, 255).astype(np.uint8)[None]).astype(np.uint8)


def _colour_matrix(saturation: float, angle: float) -> NDArray[np.float32]:
    """Rotate by `angle` around the grey axis and scale the distance from it."""
    grey = np.full((3, 3), 1 / 3)
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    turned = np.cos(angle) * (np.eye(3) - grey) + np.sin(angle) * cross
    return np.asarray(grey + saturation * turned, np.float32)


def _erase(view: Image, draw: np.random.Generator) -> None:
    """Fill a rectangle of 2 to 33 % of the area with the mean colour or with noise, in place."""
    height, width = view.shape[:2]
    for _ in range(20):
        area = draw.uniform(0.02, 0.33) * height * width
        aspect = np.exp(draw.uniform(np.log(0.3), np.log(1 / 0.3)))
        h, w = round(np.sqrt(area * aspect)), round(np.sqrt(area / aspect))
        if 0 < h < height and 0 < w < width:
            top, left = draw.integers(0, height - h), draw.integers(0, width - w)
            if draw.random() < 0.5:
                view[top : top + h, left : left + w] = _MEAN
            else:
                view[top : top + h, left : left + w] = draw.integers(0, 256, (h, w, 3), dtype=np.uint8)
            return
