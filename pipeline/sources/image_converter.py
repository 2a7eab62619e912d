"""From decoded pictures to RGB arrays: upright, with square pixels, all of one size."""

from __future__ import annotations

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from relaytrack.pipeline.records import Image

_SAME_SHAPE = 0.03  # by which the sides of pictures of one shape may be rounded


class ImageConverter:
    """Makes RGB arrays of one camera's pictures, all of the size of its first one.

    A picture with a rotation mark (telephones write it) is turned upright, one with pixels that are not square gets
    its true shape; one of another size than the first, as after a camera was set up anew, is scaled to the first one's,
    and has black edges where its shape is another one: nobody is stretched.
    """

    def __init__(self, size: tuple[int, int] | None = None) -> None:
        """Convert to `size` (width, height); None: that of the first picture."""
        self._size = size
        self._reformatter = VideoReformatter()

    def convert(self, frame: VideoFrame, aspect: float = 1.0) -> Image:
        """The picture as uint8 RGB (H, W, 3), contiguous and free to be written to.

        `aspect`: a stored pixel's width over its height.
        """
        turns = _quarter_turns(frame)
        full = true_size(frame, aspect)
        if self._size is None:
            self._size = full
        inner = fitted(full, self._size)
        width, height = inner if turns % 2 == 0 else inner[::-1]
        rgb = self._reformatter.reformat(frame, width=width, height=height, format="rgb24", threads=1)
        image = np.asarray(rgb.to_ndarray(), np.uint8)
        image = np.ascontiguousarray(np.rot90(image, turns) if turns else image)
        return image if inner == self._size else with_edges(image, self._size)


def fitted(size: tuple[int, int], into: tuple[int, int]) -> tuple[int, int]:
    """(width, height) that a picture of `size` gets within one of size `into`; all of it where the shapes are alike."""
    if is_alike(size, into):
        return into
    scale = min(into[0] / size[0], into[1] / size[1])
    return min(into[0], max(1, round(size[0] * scale))), min(into[1], max(1, round(size[1] * scale)))


def is_alike(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two sizes (width, height) have the same shape, but for rounding."""
    return abs(one[0] * other[1] / (one[1] * other[0]) - 1) <= _SAME_SHAPE


def with_edges(image: Image, size: tuple[int, int]) -> Image:
    """A picture (H, W, 3) in the middle of a black one of `size` (width, height)."""
    height, width = image.shape[:2]
    x, y = (size[0] - width) // 2, (size[1] - height) // 2
    whole = np.zeros((size[1], size[0], 3), np.uint8)
    whole[y : y + height, x : x + width] = image
    return whole


def true_size(frame: VideoFrame, aspect: float = 1.0) -> tuple[int, int]:
    """(width, height) of a picture with square pixels and upright; none of its own pixels are lost.

    Args:
        frame: the picture as it is stored.
        aspect: a stored pixel's width over its height.
    """
    width, height = frame.width, frame.height
    if aspect > 1:
        width = round(width * aspect)
    else:
        height = round(height / aspect)
    return (height, width) if _quarter_turns(frame) % 2 else (width, height)


def _quarter_turns(frame: VideoFrame) -> int:
    """How often to turn a picture by 90 degrees, counterclockwise (PyAV 14 does not tell)."""
    return round(getattr(frame, "rotation", 0) / 90) % 4
