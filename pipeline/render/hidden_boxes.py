"""What was hidden in each frame of a run over recordings, to hide it again when its videos are drawn anew."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from relaytrack.pipeline.errors import OutputError
from relaytrack.pipeline.records import Floats, Frame, FrameInfo
from relaytrack.pipeline.results.hidden_rows import HiddenRows, hidden_path, read_hidden
from relaytrack.pipeline.results.text_file import TextFile


class HiddenRecord:
    """Writes `hidden/<camera>.txt` while a run goes on; see `results.hidden_rows`.

    Args:
        folder: the run's folder.
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
            self._files[camera] = TextFile(hidden_path(self._folder, camera))
        self._files[camera].write(HiddenRows.of(np.full(len(boxes), index), boxes).text())

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()


class HiddenBoxes:
    """What a first pass hid in one camera's frames, to look up frame by frame.

    Args:
        path: the text that `HiddenRecord` or `relaytrack forget` wrote.

    Raises:
        OutputError: it holds something else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        rows = read_hidden(path)
        self._known = rows is not None
        rows = rows or HiddenRows.of()
        self._frames = rows.frames
        self._boxes = rows.xyxy.astype(np.float32)

    def of(self, frame: Frame | FrameInfo) -> Floats:
        """The boxes (N, 4), xyxy pixels of the frame's image.

        Raises:
            OutputError: the text is missing, so people could not be hidden.
        """
        if not self._known:
            raise OutputError(f"{self._path}: not there, so people could not be hidden again")
        first, end = np.searchsorted(self._frames, (frame.index, frame.index + 1))
        return self._boxes[int(first) : int(end)]
