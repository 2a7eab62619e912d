"""Text and colours for pictures: anti-aliased sprites that are rendered once and blended many times.

The typeface is the one Pillow carries (Aileron, CC0), so that pictures look the same on every machine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from relaytrack.pipeline.records import Image

Rgb = tuple[int, int, int]
_GOLDEN_ANGLE = 137.50776405003785


@dataclass(frozen=True, slots=True)
class Sprite:
    """A small picture to blend: `premultiplied` (H, W, 3) uint16, colour times alpha, and `keep` = 255 - alpha."""

    premultiplied: NDArray[np.uint16]
    keep: NDArray[np.uint16]

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.keep.shape[1], self.keep.shape[0]


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


def text_size(width: int, height: int) -> int:
    """The text height in pixels that reads well on a picture of this size (12 at 352 pixels, 23 at 1080)."""
    return int(np.clip(round(12.0 * (min(width, height) / 352.0) ** 0.6), 9, 48))


@lru_cache(maxsize=16)
def _face(size: int) -> ImageFont.FreeTypeFont:
    face = ImageFont.load_default(size)
    if not isinstance(face, ImageFont.FreeTypeFont):  # pragma: no cover - every wheel of Pillow has FreeType
        raise RuntimeError("Pillow was built without FreeType")
    return face


@lru_cache(maxsize=2048)
def _glyph(letter: str, size: int) -> NDArray[np.float32]:
    """How much of each pixel `letter` covers, (cap height + 2 * margin, advance), 0..1."""
    face = _face(size)
    cap, above = _measures(size)
    width = max(1, math.ceil(face.getlength(letter)))
    picture = PillowImage.new("L", (width, cap + 2 * above + 1), 0)
    ImageDraw.Draw(picture).text((0, above + cap - face.getmetrics()[0]), letter, fill=255, font=face)
    # a little heavier: small letters survive the video's compression
    cover: NDArray[np.float32] = np.minimum(1.0, np.asarray(picture, np.float32) * (1.15 / 255.0))
    return cover


def _measures(size: int) -> tuple[int, int]:
    """Height of capitals and the margin above and below them, in pixels."""
    return round(size * 0.74), max(2, round(size * 0.18))


@lru_cache(maxsize=256)
def _plate(width: int, height: int) -> NDArray[np.float32]:
    """Cover (height, width), 0..1, of a rectangle with round corners."""
    scale = 4
    plate = PillowImage.new("L", (width * scale, height * scale), 0)
    ImageDraw.Draw(plate).rounded_rectangle(
        (0, 0, width * scale - 1, height * scale - 1), radius=scale * height * 0.28, fill=255
    )
    return np.asarray(plate.resize((width, height), PillowImage.Resampling.BOX), np.float32) / 255.0


@lru_cache(maxsize=1024)
def pill(text: str, size: int, fill: Rgb, ink: Rgb, opacity: float = 1.0) -> Sprite:
    """`text` on a rounded plate.

    Args:
        text: one line.
        size: text height in pixels.
        fill: the plate's RGB colour.
        ink: the text's RGB colour.
        opacity: of the plate, 0..1; the text is always opaque.
    """
    side = max(3, round(size * 0.32))
    letters = np.hstack([_glyph(letter, size) for letter in text or " "])
    cover = np.pad(letters, ((0, 0), (side, side)))[..., None]
    behind = _plate(cover.shape[1], cover.shape[0])[..., None] * (opacity * (1.0 - cover))
    color = np.array(ink, np.float32) * cover + np.array(fill, np.float32) * behind
    keep = 255.0 - (cover + behind) * 255.0
    return Sprite((color * 255.0 + 0.5).astype(np.uint16), (keep + 0.5).astype(np.uint16))


def blend(image: Image, sprite: Sprite, x: int, y: int) -> None:
    """Lay `sprite` over `image` (changed in place) with its top left pixel at (x, y); what lies outside is cut."""
    width, height = sprite.size
    x1, y1 = max(x, 0), max(y, 0)
    x2, y2 = min(x + width, image.shape[1]), min(y + height, image.shape[0])
    if x1 >= x2 or y1 >= y2:
        return
    part = np.s_[y1 - y : y2 - y, x1 - x : x2 - x]
    region = image[y1:y2, x1:x2]
    mixed = region * sprite.keep[part]
    mixed += sprite.premultiplied[part]
    mixed += mixed >> 8  # division by 255, right to one grey level
    region[...] = mixed >> 8
