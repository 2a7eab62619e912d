"""Videos without time stamps, such as H.264 or MJPEG without a container: their times follow from a rate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from av.container import InputContainer

from relaytrack.pipeline.sources.clock import Stamped

T = TypeVar("T")

_NO_TIMESTAMPS = 0x80  # FFmpeg's AVFMT_NOTIMESTAMPS
_ASSUMED = 25.0  # FFmpeg's rate where a video tells none
_PICTURES = ("mjpeg", "mpjpeg")  # and those called ..._pipe
_TOLD_WRONG = ("h264", "hevc", "vvc")  # FFmpeg gives them 25 per second, whatever they say of themselves


def is_clockless(container: InputContainer) -> bool:
    """Whether a container's pictures have no times."""
    name = container.format.name
    return bool(container.format.flags & _NO_TIMESTAMPS) or name in _PICTURES or name.endswith("_pipe")


class CountedPictures:
    """Gives the pictures of a video without a clock the times that follow from its rate.

    Args:
        format: FFmpeg's name of the container's format.
        told: pictures per second as the configuration says; None where it says nothing.
        guessed: pictures per second as the video says, None where it does not.
    """

    def __init__(self, format: str, told: float | None, guessed: float | None) -> None:
        self.fps = told or guessed or _ASSUMED
        self._is_told = told is not None
        self._counts = self._is_told or format in _TOLD_WRONG
        self._several = False

    @property
    def note(self) -> str | None:
        """What a user should know; None where the rate is known, or there is one picture only."""
        if self._is_told or not self._several or self.fps != _ASSUMED:
            return None
        return (
            f"it has no clock: its pictures count as {self.fps:g} per second (set the camera's fps where that is wrong)"
        )

    def pictures(self, decoded: Iterable[Stamped[T]]) -> Iterator[Stamped[T]]:
        """The same pictures; their stamps are what FFmpeg gave them where it knew the rate."""
        for one in decoded:
            self._several = self._several or one.index > 1
            yield Stamped(one.index, (one.index - 1) / self.fps, one.raw) if self._counts else one
