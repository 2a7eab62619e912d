"""What was hidden in each frame of a run over recordings, to hide it again when its videos are drawn anew."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from relaytrack.pipeline.errors import OutputError
from relaytrack.pipeline.records import Floats, Frame, FrameInfo
from relaytrack.pipeline.results.text_file import TextFile

FOLDER = "hidden"


class HiddenRecord:
    """Writes `hidden/<camera>.txt`, lines of `frame,x1,y1,x2,y2` in pixels of the frame's image.

    Args:
        folder: where the texts lie.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, TextFile] = {}

    def write(self, camera: str, index: int, boxes: Floats) -> None:
        """Note the boxes (N, 4) hidden in one frame.

        Raises:
            OutputError: the file cannot be written.
        """
        if camera not in self._files:
            self._files[camera] = TextFile(self._folder / f"{camera}.txt")
        lines = ("%d,%.1f,%.1f,%.1f,%.1f\n" % (index, *box) for box in boxes.tolist())  # noqa: UP031
        self._files[camera].write("".join(lines).encode())

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()


class HiddenBoxes:
    """What a first pass hid in one camera's frames, to look up frame by frame.

    Args:
        path: the text that `Pictures` wrote.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known = path.exists()
        filled = self._known and path.stat().st_size > 0
        table = np.loadtxt(path, delimiter=",", ndmin=2) if filled else np.zeros((0, 5))
        self._frames = table[:, 0].astype(np.int64)
        self._boxes = table[:, 1:].astype(np.float32)

    def of(self, frame: Frame | FrameInfo) -> Floats:
        """The boxes (N, 4), xyxy pixels of the frame's image.

        Raises:
            OutputError: the text is not there; nobody is shown just because it got lost.
        """
        if not self._known:
            raise OutputError(f"{self._path}: not there, so people could not be hidden again")
        first, end = np.searchsorted(self._frames, (frame.index, frame.index + 1))
        return self._boxes[int(first) : int(end)]
