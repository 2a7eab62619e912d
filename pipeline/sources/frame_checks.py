"""Looks at the frames of a camera before they are put together with others: a source may be somebody else's."""

from __future__ import annotations

import math

import numpy as np

from relaytrack.pipeline.errors import SourceError
from relaytrack.pipeline.records import Frame


def check_frame(frame: Frame, camera: str) -> None:
    """See that a frame is what `Frame` promises.

    Args:
        frame: what the source handed out.
        camera: the name of its camera.

    Raises:
        SourceError: it is no frame, one of another camera, or without a usable picture or time.
    """
    if not isinstance(frame, Frame):
        raise SourceError(f"camera {camera!r}: its source gave a {type(frame).__name__} instead of a Frame")
    if frame.camera != camera:
        raise SourceError(f"camera {camera!r}: its source gave a frame of camera {frame.camera!r}")
    if not math.isfinite(frame.time):
        raise SourceError(f"camera {camera!r}: the time of frame {frame.index} is no finite number")
    image = frame.image
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        given = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise SourceError(f"camera {camera!r}: the picture of frame {frame.index} is {given}, not uint8 (H, W, 3)")
