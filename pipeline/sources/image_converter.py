"""From decoded pictures to RGB arrays: upright, with square pixels, all of one size."""

from __future__ import annotations

from typing import Any

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from relaytrack.pipeline.records import Image


class ImageConverter:
    """Makes RGB arrays of one camera's pictures, all of the size of its first one.

    A picture with a rotation mark (telephones write it) is turned upright, one with pixels that are not square gets
    its true shape; one of another size than the first, as after a camera was set up anew, is scaled to the first one's.
    """

    def __init__(self, size: tuple[int, int] | None = None) -> None:
        """Convert to `size` (width, height); None: that of the first picture."""
        self._size = size
        self._reformatter = VideoReformatter()
        self._options: dict[str, Any] = {"format": "rgb24", "threads": 1}

    def convert(self, frame: VideoFrame) -> Image:
        """The picture as uint8 RGB (H, W, 3), contiguous and free to be written to."""
        turns = _quarter_turns(frame)
        if self._size is None:
            self._size = true_size(frame)
        width, height = self._size if turns % 2 == 0 else self._size[::-1]
        try:
            rgb = self._reformatter.reformat(frame, width=width, height=height, **self._options)
        except TypeError:  # a PyAV without the choice of scaler threads
            self._options.pop("threads")
            rgb = self._reformatter.reformat(frame, width=width, height=height, **self._options)
        image = np.asarray(rgb.to_ndarray(), np.uint8)
        return np.ascontiguousarray(np.rot90(image, turns) if turns else image)


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
