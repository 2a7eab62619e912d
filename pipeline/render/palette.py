"""Colours: one per identity, and the ink that reads on it."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Rgb = tuple[int, int, int]
_GOLDEN_ANGLE = 137.50776405003785


@lru_cache(maxsize=4096)
def identity_color(identity: int) -> Rgb:
    """One stable RGB colour per identity, neighbours in number far apart in hue.

    Hues go round by the golden angle in OKLCH (Ottosson 2020), where equal steps look equal, and lightness
    changes from id to id, so that some dozens of people stay apart for the eye.
    """
    lightness = (0.76, 0.60, 0.86, 0.67, 0.81)[identity % 5]
    hue = math.radians((25.0 + _GOLDEN_ANGLE * identity) % 360.0)
    for chroma in np.arange(0.19, 0.0, -0.01):  # the strongest colour that the screen can show
        rgb = _oklch(lightness, float(chroma), hue)
        if rgb.min() >= 0.0 and rgb.max() <= 1.0:
            break
    red, green, blue = np.clip(np.rint(_gamma(np.clip(rgb, 0.0, 1.0)) * 255.0), 0, 255).astype(int)
    return int(red), int(green), int(blue)


def _oklch(lightness: float, chroma: float, hue: float) -> NDArray[np.float64]:
    """Linear sRGB (3,) of a colour in OKLCH; values outside 0..1 cannot be shown."""
    a, b = chroma * math.cos(hue), chroma * math.sin(hue)
    lms = np.array(
        [
            lightness + 0.3963377774 * a + 0.2158037573 * b,
            lightness - 0.1055613458 * a - 0.0638541728 * b,
            lightness - 0.0894841775 * a - 1.2914855480 * b,
        ]
    )
    to_rgb = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    result: NDArray[np.float64] = to_rgb @ lms**3
    return result


def _gamma(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def ink_on(color: Rgb) -> Rgb:
    """The text colour, near black or white, that reads best on `color`."""
    luminance = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2]
    return (16, 18, 22) if luminance > 130 else (255, 255, 255)
