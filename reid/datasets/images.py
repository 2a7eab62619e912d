"""Reading images, and a cache of decoded ones so that training never waits for JPEG."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from relaytrack.reid.errors import DatasetError
from relaytrack.reid.pictures import PictureError, read_picture

Image = NDArray[np.uint8]


def read_image(path: Path) -> Image:
    """Decode one image to (H, W, 3) uint8 RGB.

    Raises:
        DatasetError: the file is missing or not an image; it is named.
    """
    try:
        return read_picture(path)
    except OSError as error:
        raise DatasetError(f"cannot read image {path}: {error.strerror}") from error
    except PictureError as error:
        raise DatasetError(f"cannot decode image {path}: {error}") from error
    except ValueError as error:  # a name with a zero byte
        raise DatasetError(f"cannot read image {path!s}: {error}") from error


def fit_within(image: Image, height: int, width: int) -> Image:
    """Shrink an image that is larger than (height, width) in both directions; others stay as they are."""
    if image.shape[0] > height and image.shape[1] > width:
        return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    return image


class ImageCache:
    """Decoded images in memory, no larger than the network needs.

    Args:
        paths: the files, in the order in which they will be asked for by index.
        height: images larger than (height, width) are kept at that size.
        width: see `height`.
        limit_mib: once so much is held, further images are decoded each time.
    """

    def __init__(self, paths: Sequence[Path], height: int, width: int, *, limit_mib: float = 4096) -> None:
        self._paths = paths
        self._size = (height, width)
        self._free = int(limit_mib * 2**20)
        self._held: dict[int, Image] = {}

    def __len__(self) -> int:
        return len(self._paths)

    @property
    def held(self) -> int:
        """How many images are in memory."""
        return len(self._held)

    def get(self, index: int) -> Image:
        """The image of an index, (h, w, 3) uint8 RGB of its own size.

        Raises:
            DatasetError: the file cannot be decoded.
        """
        image = self._held.get(index)
        if image is None:
            image = fit_within(read_image(self._paths[index]), *self._size)
            if image.nbytes <= self._free:
                self._free -= image.nbytes
                self._held[index] = image
        return image

    def without(self, bad: Sequence[int]) -> ImageCache:
        """The same cache without some indices; the others move up."""
        left = sorted(set(range(len(self))) - set(bad))
        made = ImageCache([self._paths[index] for index in left], *self._size)
        made._free = self._free
        made._held = {new: self._held[old] for new, old in enumerate(left) if old in self._held}
        return made

    def fill(self, *, workers: int = 2) -> list[int]:
        """Decode everything now.

        Returns:
            The indices of files that cannot be decoded.
        """
        with ThreadPoolExecutor(workers) as pool:
            return [index for index, fine in enumerate(pool.map(self._try, range(len(self)))) if not fine]

    def _try(self, index: int) -> bool:
        try:
            self.get(index)
        except DatasetError:
            return False
        return True


def read_resized(paths: Iterable[Path], height: int, width: int) -> Image:
    """Read images to one array (B, height, width, 3) uint8 RGB, bilinear.

    Raises:
        DatasetError: a file cannot be decoded; it is named.
    """
    resized = [cv2.resize(read_image(path), (width, height)) for path in paths]
    return np.stack(resized).astype(np.uint8, copy=False)
