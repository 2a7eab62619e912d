"""Decoding pictures that anybody may have made: size first, so that a header cannot take all memory."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageOps

MOST_PIXELS = 120_000_000
"""Pixels of a picture that is decoded at the most."""

_MOST_BYTES = 4 * MOST_PIXELS
_BY_PILLOW = ("JPEG", "MPO", "GIF", "AVIF")
"""OpenCV's libjpeg writes of damaged data to the screen itself; OpenCV 4.10 reads no GIF, and its wheels no AVIF."""
_TURNED = 0x0112  # Exif's mark for a picture that is to be turned
_DAMAGED = "a damaged picture"
_TOO_LARGE = f"it has more than {MOST_PIXELS // 1_000_000} million pixels"


class PictureError(ValueError):
    """Not a picture, a damaged one, or one of too many pixels; the text says which, without the path."""


def decode_picture(data: bytes) -> NDArray[np.uint8]:
    """Decode a picture file's content to (H, W, 3) uint8 RGB, turned upright as its camera noted.

    Raises:
        PictureError: see there.
    """
    width, height, kind = _header(data)
    if width * height > MOST_PIXELS:
        raise PictureError(_TOO_LARGE)
    if kind in _BY_PILLOW:
        return _decode_by_pillow(data)
    silence_opencv()
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except (cv2.error, MemoryError):
        image = None
    if image is None:
        raise PictureError(_DAMAGED)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def _decode_by_pillow(data: bytes) -> NDArray[np.uint8]:
    """The first picture of a file by Pillow; of a JPEG the same pixels as OpenCV's."""
    try:
        with PillowImage.open(io.BytesIO(data)) as picture:
            upright = ImageOps.exif_transpose(picture) if picture.getexif().get(_TURNED) else picture
            return np.array(upright.convert("RGB"))
    except Exception:  # Pillow's readers raise whatever damaged data make them stumble over
        raise PictureError(_DAMAGED) from None


def read_picture(path: Path) -> NDArray[np.uint8]:
    """`decode_picture` of a file.

    Raises:
        PictureError: see there; also for a file larger than any picture.
        OSError: the file cannot be read.
    """
    if path.stat().st_size > _MOST_BYTES:
        raise PictureError("not a picture: the file is too large for one")
    return decode_picture(path.read_bytes())


def _header(data: bytes) -> tuple[int, int, str | None]:
    """(width, height, format) that a picture's header tells."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of large ones, which are looked at here
            with PillowImage.open(io.BytesIO(data)) as picture:
                return *picture.size, picture.format
    except PillowImage.DecompressionBombError:
        raise PictureError(_TOO_LARGE) from None
    except Exception:  # Pillow's readers raise whatever a damaged header makes them stumble over
        raise PictureError("not a picture") from None


def silence_opencv() -> None:
    """Keep OpenCV's own log off the screen: what a picture lacks is said in our words."""
    logging = getattr(getattr(cv2, "utils", None), "logging", None)
    if logging is not None:
        logging.setLogLevel(logging.LOG_LEVEL_SILENT)
