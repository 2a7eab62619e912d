"""Text on pictures: anti-aliased sprites that are rendered once and blended many times.

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

from relaytrack.pipeline.palette import Rgb
from relaytrack.pipeline.records import Image


@dataclass(frozen=True, slots=True)
class Sprite:
    """A small picture to blend: `premultiplied` (H, W, 3) uint16, colour times alpha, and `keep` = 255 - alpha."""

    premultiplied: NDArray[np.uint16]
    keep: NDArray[np.uint16]

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.keep.shape[1], self.keep.shape[0]


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


@lru_cache(maxsize=256)  # of people in view; some 15 kB each, so more would be memory of a long run
def pill(text: str, size: int, fill: Rgb, ink: Rgb, opacity: float = 1.0) -> Sprite:
    """`text` on a rounded plate.

    Args:
        text: one line.
        size: text height in pixels.
        fill: the plate's RGB colour.
        ink: the text's RGB colour.
        opacity: of the plate, 0..1; the text is always opaque.
    """
    side = _side(size)
    letters = np.hstack([_glyph(letter, size) for letter in text or " "])
    cover = np.pad(letters, ((0, 0), (side, side)))[..., None]
    behind = _plate(cover.shape[1], cover.shape[0])[..., None] * (opacity * (1.0 - cover))
    color = np.array(ink, np.float32) * cover + np.array(fill, np.float32) * behind
    keep = 255.0 - (cover + behind) * 255.0
    return Sprite((color * 255.0 + 0.5).astype(np.uint16), (keep + 0.5).astype(np.uint16))


@lru_cache(maxsize=256)
def fitted(text: str, size: int, width: int, after: str = "") -> str:
    """`text` and `after`, the text cut short with an ellipsis where a `pill` of both would be wider than `width`.

    Args:
        text: one line.
        size: text height in pixels.
        width: pixels that there are.
        after: what is kept whole behind the text.
    """
    left = width - 2 * _side(size)

    def fits(line: str) -> bool:
        return bool(sum(_glyph(letter, size).shape[1] for letter in line) <= left)

    if fits(text + after):
        return text + after
    short = next((cut for end in range(len(text), 0, -1) if fits(cut := f"{text[:end].rstrip()}…{after}")), "")
    return short or (text[:1] + "…" if not after else fitted(after.strip(), size, width))


def _side(size: int) -> int:
    """Pixels between a plate's end and its text."""
    return max(3, round(size * 0.32))


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
