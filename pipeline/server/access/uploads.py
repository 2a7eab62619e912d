"""Uploaded pictures: their number at a time and their pixels are bounded before anything is decoded."""

from __future__ import annotations

import io
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
from anyio import CapacityLimiter
from PIL import Image as Pillow
from PIL import ImageOps

from relaytrack.pipeline.records import Image
from relaytrack.pipeline.server.problems import ProblemError

_FORMATS = ("JPEG", "PNG", "WEBP")
MOST_PIXELS = 40_000_000
MOST_UPLOADS = 8
"""Pictures that are uploaded, wait or are searched for at the same time."""
_LONGEST_SIDE = 1920  # larger pictures are shrunk


class SearchQueue:
    """Pictures that are searched for, one after the other: many at once would fill the memory.

    A few more may wait, uploaded or on their way.
    """

    def __init__(self) -> None:
        self._inside = 0
        self._one = CapacityLimiter(1)

    @asynccontextmanager
    async def enter(self) -> AsyncIterator[CapacityLimiter]:
        """Take one of the few places; yields the lock by which one picture is worked on at a time.

        Raises:
            ProblemError: too many wait already.
        """
        if self._inside >= MOST_UPLOADS:
            raise ProblemError(
                503, "other pictures are being searched for; try again in a moment", headers={"retry-after": "2"}
            )
        self._inside += 1
        try:
            yield self._one
        finally:
            self._inside -= 1


def decode_picture(data: bytes) -> Image:
    """A JPEG, PNG or WebP as (H, W, 3) uint8 RGB, upright, its longer side at most 1920 pixels.

    Raises:
        ProblemError: it is none, damaged, or says that it has more than 40 million pixels.
    """
    none = ProblemError(422, "picture: not a JPEG, PNG or WebP picture", field="picture")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Pillow.open(io.BytesIO(data), formats=_FORMATS) as opened:
                width, height = opened.size
                if width * height > MOST_PIXELS:
                    raise ProblemError(422, f"picture: {width} x {height} pixels are too many", field="picture")
                if min(width, height) < 8:
                    raise ProblemError(422, "picture: too small to show anybody", field="picture")
                opened.draft("RGB", (_LONGEST_SIDE, _LONGEST_SIDE))
                upright = ImageOps.exif_transpose(opened).convert("RGB")
                upright.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
                return np.ascontiguousarray(np.asarray(upright, np.uint8))
    except ProblemError:
        raise
    except Exception:  # decoders fail in many ways, and other packages add their own to Pillow.open
        raise none from None
