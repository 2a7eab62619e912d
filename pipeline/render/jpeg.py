"""Single pictures as JPEG."""

from __future__ import annotations

import cv2

from relaytrack.pipeline.records import Image

SEEN_LIVE = 80
"""The quality of pictures that are looked at for a moment."""


def jpeg(image: Image, quality: int = 90) -> bytes:
    """A picture as JPEG.

    Args:
        image: (H, W, 3) uint8 RGB.
        quality: 1..100.
    """
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()
