"""`hidden/<camera>.txt` and `hidden/<camera>.forgotten.txt`: the only reader and writer of the boxes that hide people.

The first names what `output.anonymise` hid, the second the people whom `relaytrack forget` removed. A line is
`frame,x1,y1,x2,y2`: the 1-based number of the frame in its own source, and the box's corners in pixels of the frame's
image (within the camera's region of interest). Lines are ordered by frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from relaytrack.pipeline.errors import OutputError
from relaytrack.pipeline.records import Ints
from relaytrack.pipeline.results.folder import write_bytes, writing

FOLDER = "hidden"


@dataclass(frozen=True, slots=True, eq=False)
class HiddenRows:
    """The boxes of one camera, one row each.

    Attributes:
        frames: (N,) int64, the source's own frame numbers.
        xyxy: (N, 4) float64, pixels of the frame's image.
    """

    frames: Ints
    xyxy: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.frames)

    @staticmethod
    def of(frames: ArrayLike = (), xyxy: ArrayLike = ()) -> HiddenRows:
        """Rows of boxes (N, 4) given by their corners."""
        return HiddenRows(np.asarray(frames, np.int64).reshape(-1), np.asarray(xyxy, np.float64).reshape(-1, 4))

    @staticmethod
    def parse(text: bytes) -> HiddenRows:
        """Read lines.

        Raises:
            ValueError: they are no such lines.
        """
        table = np.array(text.replace(b"\n", b",").split(b",")[:-1], dtype=np.float64).reshape(-1, 5)
        return HiddenRows.of(table[:, 0], table[:, 1:])

    def text(self) -> bytes:
        """The lines, in the order of the rows."""
        rows = zip(self.frames.tolist(), self.xyxy.tolist(), strict=True)
        return b"".join(b"%d,%.1f,%.1f,%.1f,%.1f\n" % (frame, *box) for frame, box in rows)

    def joined(self, other: HiddenRows) -> HiddenRows:
        """These rows and others, by frame; in one frame these come first."""
        frames = np.concatenate([self.frames, other.frames])
        order = np.argsort(frames, kind="stable")
        return HiddenRows(frames[order], np.concatenate([self.xyxy, other.xyxy])[order])


def hidden_path(folder: Path, camera: str) -> Path:
    """Where the boxes lie that the configuration hid in a camera's pictures."""
    return folder / FOLDER / f"{camera}.txt"


def forgotten_path(folder: Path, camera: str) -> Path:
    """Where the boxes lie that stay filled in a camera's videos for ever (`relaytrack forget`)."""
    return folder / FOLDER / f"{camera}.forgotten.txt"


def read_hidden(path: Path) -> HiddenRows | None:
    """The boxes of one file, None where it is not there.

    Raises:
        OutputError: it cannot be read, or holds no such lines.
    """
    if not path.exists():
        return None
    with writing(path, "read"):
        text = path.read_bytes()
    try:
        return HiddenRows.parse(text)
    except ValueError:
        raise OutputError(f"{path}: not lines that RelayTrack wrote") from None


def write_hidden(path: Path, rows: HiddenRows | None) -> None:
    """Replace the boxes of one file, in one step; None removes it.

    Raises:
        OutputError: it cannot be written or removed.
    """
    if rows is not None:
        write_bytes(path, rows.text())
        return
    with writing(path, "delete"):
        path.unlink(missing_ok=True)
