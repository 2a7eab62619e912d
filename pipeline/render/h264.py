"""What all H.264 videos have in common: their clock, their colours, and RGB pictures as frames of them."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Mapping
from fractions import Fraction

import av
import cv2
import numpy as np
from av.container import OutputContainer

from relaytrack.pipeline.records import Image

CLOCK = 90_000
"""Ticks per second of all videos."""
_BT601 = 6  # FFmpeg's number of the colour matrix that cv2.cvtColor uses (AVCOL_SPC_SMPTE170M)
_STEPS = 9  # intervals whose median is the usual one


def add_stream(
    container: OutputContainer, size: tuple[int, int], options: Mapping[str, str], *, threads: int = 1
) -> av.VideoStream:
    """A stream for `frame_of` in a container.

    Args:
        container: the file.
        size: (width, height) of the pictures; odd ones are padded to even ones.
        options: of x264.
        threads: encoder threads.

    Raises:
        ValueError: this FFmpeg has no x264.
    """
    width, height = size
    stream = container.add_stream("libx264", rate=25, options=dict(options))
    stream.width, stream.height = width + width % 2, height + height % 2
    stream.pix_fmt = "yuv420p"
    stream.time_base = Fraction(1, CLOCK)
    context = stream.codec_context
    context.time_base = Fraction(1, CLOCK)
    context.thread_count = threads
    context.gop_size = 100_000  # key frames are set by time
    context.colorspace = _BT601
    context.color_range = 1  # 16..235
    return stream


def frame_of(image: Image, tick: int, *, key: bool) -> av.VideoFrame:
    """(H, W, 3) uint8 RGB as a frame for the encoder (yuv420p, BT.601); an odd size is padded by repeating the edge.

    Args:
        image: the picture.
        tick: its time, in ticks of `CLOCK`.
        key: make it a key frame.
    """
    height, width = image.shape[:2]
    if height % 2 or width % 2:
        image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    planes = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420), np.uint8)
    if len(planes) % 6 == 0:  # the frame is the array itself, without a copy; PyAV can do so where 4 divides the height
        frame = av.VideoFrame.from_numpy_buffer(planes, format="yuv420p")
    else:
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
    frame.pts, frame.time_base = tick, Fraction(1, CLOCK)
    if key:
        frame.pict_type = av.video.frame.PictureType.I
    return frame


class Ticks:
    """Turns seconds into ticks that only grow, and knows the usual interval between two pictures."""

    def __init__(self) -> None:
        self._start: float | None = None
        self._last = -1
        self._steps: deque[int] = deque(maxlen=_STEPS)

    def at(self, seconds: float) -> int:
        """The tick of the next picture; the first one is at 0, one that is not later than the last at the next tick."""
        if self._start is None:
            self._start = seconds
        tick = max(round((seconds - self._start) * CLOCK), self._last + 1)
        if self._last >= 0:
            self._steps.append(tick - self._last)
        self._last = tick
        return tick

    def usual(self, default: float) -> float:
        """The median of the last intervals, in ticks; `default` before there are two pictures."""
        return statistics.median(self._steps) if self._steps else default
