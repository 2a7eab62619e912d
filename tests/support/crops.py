"""Small pictures of made-up people, each in colours of their own, named as data sets name them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray


def write_crops(
    root: Path,
    people: Iterable[object],
    *,
    name: str = "{person}_{camera}_{shot}.png",
    cameras: Iterable[int] = (1, 2),
    shots: int = 2,
    size: tuple[int, int] = (32, 32),
    noise: int = 0,
) -> Path:
    """Write the pictures; a person looks the same whoever else is there, and brighter in the second camera.

    Args:
        root: folder to write to; made where it is missing.
        people: what `{person}` stands for in `name`.
        name: of a file, with `{person}`, `{camera}` and `{shot}`.
        cameras: their numbers.
        shots: pictures of a person under each camera.
        size: (height, width) of the pictures.
        noise: largest change of a single value.

    Returns:
        The folder.
    """
    root.mkdir(parents=True, exist_ok=True)
    for person in people:
        draw = np.random.default_rng([*str(person).encode()])
        colours = draw.integers(0, 256, (4, 2, 3)).astype(np.uint8)
        look = cv2.resize(colours, size[::-1], interpolation=cv2.INTER_NEAREST).astype(int)
        for camera in cameras:
            for shot in range(shots):
                image = look + 10 * camera + shot + draw.integers(-noise, noise + 1, look.shape)
                path = root / name.format(person=person, camera=camera, shot=shot)
                assert cv2.imwrite(str(path), np.clip(image, 0, 255).astype(np.uint8))
    return root


def some_crops(count: int = 9) -> list[NDArray[np.uint8]]:
    """Noise (H, W, 3) uint8 of other sizes each."""
    rng = np.random.default_rng(5)
    sizes = rng.integers(8, 90, (count, 2))
    return [rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for height, width in sizes]
