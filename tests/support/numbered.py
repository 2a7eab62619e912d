"""Pictures that show their number, so that a test can tell which one it got."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BITS = 8
BLOCK = 16


def numbered_image(number: int, width: int = 160, height: int = 96) -> NDArray[np.uint8]:
    """A grey RGB picture whose top row of blocks spells `number` in black and white."""
    image = np.full((height, width, 3), 128, np.uint8)
    for bit in range(BITS):
        image[:BLOCK, bit * BLOCK : (bit + 1) * BLOCK] = 235 * (number >> bit & 1)
    return image


def number_in(image: NDArray[np.uint8]) -> int:
    """The number that `numbered_image` wrote."""
    half = BLOCK // 2
    return sum(int(image[half, bit * BLOCK + half, 1] > 128) << bit for bit in range(BITS))
