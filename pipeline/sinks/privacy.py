"""Sinks that see pictures only after people were hidden in them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from relaytrack.pipeline.errors import OutputError
from relaytrack.pipeline.records import Floats, Frame, FrameTracks
from relaytrack.pipeline.render.anonymise import Mode, Veil, hide
from relaytrack.pipeline.sinks.base import Sink, Step
from relaytrack.pipeline.sinks.mot import TextFile

FOLDER = "hidden"


class PrivacySink:
    """Hides heads or whole people, then hands each step on.

    Args:
        sinks: whatever writes pictures: videos, the mosaic, crops.
        mode: what is hidden.
        record: folder for `<camera>.txt`, lines of `frame,x1,y1,x2,y2`, the boxes that were hidden, in pixels of the
            frame's image: the second pass over files hides them again. None writes nothing (live runs).
    """

    def __init__(self, sinks: Sequence[Sink], mode: Mode, record: Path | None = None) -> None:
        self._sinks = tuple(sinks)
        self._mode: Mode = mode
        self._record = record
        self._veils: dict[str, Veil] = {}
        self._files: dict[str, TextFile] = {}

    def write(self, step: Step) -> None:
        """Hide people in the step's pictures and pass it on.

        Raises:
            OutputError: a file cannot be written.
        """
        hidden = tuple(self._hide(tracks) for tracks in step)
        for sink in self._sinks:
            sink.write(hidden)

    def _hide(self, tracks: FrameTracks) -> FrameTracks:
        frame = tracks.frame
        boxes = self._veils.setdefault(frame.camera, Veil()).update(tracks)
        if self._record is not None:
            if frame.camera not in self._files:
                self._files[frame.camera] = TextFile(self._record / f"{frame.camera}.txt")
            lines = ("%d,%.1f,%.1f,%.1f,%.1f\n" % (frame.index, *box) for box in boxes.tolist())  # noqa: UP031
            self._files[frame.camera].write("".join(lines).encode())
        return veiled(tracks, boxes, self._mode)

    def close(self) -> None:
        """Complete all sinks, also after one fails."""
        with ExitStack() as stack:
            for sink in self._sinks:
                stack.callback(sink.close)
            for file in self._files.values():
                stack.callback(file.close)


def veiled(tracks: FrameTracks, boxes: Floats, mode: Mode) -> FrameTracks:
    """`tracks` with a picture in which `boxes` (N, 4) are hidden."""
    return replace(tracks, frame=replace(tracks.frame, image=hide(tracks.frame.image, boxes, mode)))


class HiddenBoxes:
    """What a first pass hid in one camera's frames, to look up frame by frame.

    Args:
        path: the text that `PrivacySink` wrote.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known = path.exists()
        filled = self._known and path.stat().st_size > 0
        table = np.loadtxt(path, delimiter=",", ndmin=2) if filled else np.zeros((0, 5))
        self._frames = table[:, 0].astype(np.int64)
        self._boxes = table[:, 1:].astype(np.float32)

    def of(self, frame: Frame) -> Floats:
        """The boxes (N, 4), xyxy pixels of the frame's image.

        Raises:
            OutputError: the text is not there; nobody is shown just because it got lost.
        """
        if not self._known:
            raise OutputError(f"{self._path}: not there, so people could not be hidden again")
        first, end = np.searchsorted(self._frames, (frame.index, frame.index + 1))
        return self._boxes[int(first) : int(end)]
