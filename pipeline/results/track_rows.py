"""`tracks/<camera>.txt` and `global/<camera>.txt`: the only reader and writer of a run's track lines.

A line is `frame,id,x,y,w,h,conf,-1,-1,-1` (MOTChallenge): the 1-based number of the frame in its own source, the id,
the box's top left corner and size in pixels of the source's full picture (a camera's region of interest does not move
it; 0 is the left edge of the first pixel), and the detection score. What is read and written again keeps its bytes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from relaytrack.pipeline.errors import OutputError
from relaytrack.pipeline.records import Ints
from relaytrack.pipeline.results.folder import write_bytes, writing

LOG = logging.getLogger(__name__)
Kind = Literal["tracks", "global"]
KINDS: tuple[Kind, ...] = ("tracks", "global")
Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class TrackRows:
    """The lines of one camera, one row per box.

    Attributes:
        frames: (N,) int64, the source's own frame numbers.
        ids: (N,) int64, track ids or identities.
        xywh: (N, 4) float64, pixels of the source's full picture.
        scores: (N,) float64.
    """

    frames: Ints
    ids: Ints
    xywh: Doubles
    scores: Doubles

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def xyxy(self) -> Doubles:
        """(N, 4) corners, pixels of the source's full picture."""
        return np.hstack([self.xywh[:, :2], self.xywh[:, :2] + self.xywh[:, 2:]])

    @staticmethod
    def of(frames: ArrayLike, ids: ArrayLike, xyxy: ArrayLike, scores: ArrayLike) -> TrackRows:
        """Rows of boxes (N, 4) given by their corners."""
        corners = np.asarray(xyxy, np.float64).reshape(-1, 4)
        xywh = np.hstack([corners[:, :2], corners[:, 2:] - corners[:, :2]])
        numbers, names = np.asarray(frames, np.int64).reshape(-1), np.asarray(ids, np.int64).reshape(-1)
        return TrackRows(numbers, names, xywh, np.asarray(scores, np.float64).reshape(-1))

    @staticmethod
    def none() -> TrackRows:
        """No rows."""
        return TrackRows.of([], [], [], [])

    @staticmethod
    def parse(text: bytes, most: int | None = None) -> TrackRows:
        """Read lines, the first `most` of them.

        Raises:
            ValueError: they are no such lines.
        """
        if most is not None:
            text = b"".join(text.splitlines(keepends=True)[:most])
        values = np.array(text.replace(b"\n", b",").split(b",")[:-1], dtype=np.float64)
        table = values.reshape(-1, 10)
        return TrackRows(table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2:6], table[:, 6])

    @staticmethod
    def parse_left(text: bytes) -> tuple[TrackRows, int]:
        """Read the lines of a damaged file that can be read, and count those that cannot."""
        try:
            return TrackRows.parse(text), 0
        except ValueError:
            found = [one for line in text.splitlines() if (one := _line_of(line)) is not None]
        rows = TrackRows.joined([TrackRows.none(), *found])
        return rows, sum(bool(line.strip()) for line in text.splitlines()) - len(found)

    def text(self) -> bytes:
        """The lines, in the order of the rows."""
        numbers = zip(self.frames.tolist(), self.ids.tolist(), self.xywh.tolist(), self.scores.tolist(), strict=True)
        return b"".join(
            b"%d,%d,%.2f,%.2f,%.2f,%.2f,%.3f,-1,-1,-1\n" % (frame, number, *box, score)
            for frame, number, box, score in numbers
        )

    def pick(self, rows: ArrayLike) -> TrackRows:
        """Some of the rows, by mask or by index."""
        chosen = np.asarray(rows)
        chosen = chosen if chosen.dtype == bool else chosen.astype(np.int64)
        return TrackRows(self.frames[chosen], self.ids[chosen], self.xywh[chosen], self.scores[chosen])

    def named(self, ids: ArrayLike) -> TrackRows:
        """The same boxes with other ids (N,)."""
        return replace(self, ids=np.asarray(ids, np.int64).reshape(-1))

    def in_order(self) -> Ints:
        """(N,) the rows by frame; those of one frame stay in their order."""
        return np.argsort(self.frames, kind="stable").astype(np.int64)

    @staticmethod
    def joined(parts: Sequence[TrackRows]) -> TrackRows:
        """Rows one after the other; at least one part."""
        columns = zip(*((part.frames, part.ids, part.xywh, part.scores) for part in parts), strict=True)
        return TrackRows(*(np.concatenate(column) for column in columns))


def _line_of(line: bytes) -> TrackRows | None:
    try:
        return TrackRows.parse(line + b"\n")
    except ValueError:
        return None


def rows_path(folder: Path, kind: Kind, camera: str) -> Path:
    """Where the lines of a camera of a run over recordings lie."""
    return folder / kind / f"{camera}.txt"


def read_rows(folder: Path, kind: Kind, camera: str) -> TrackRows:
    """The lines of a camera of a run over recordings.

    Raises:
        OutputError: they cannot be read, or are no such lines.
    """
    return read_rows_of(rows_path(folder, kind, camera))


def read_rows_of(path: Path, most: int | None = None) -> TrackRows:
    """The lines of one file, the first `most` of them; errors as of `read_rows`."""
    with writing(path, "read"):
        text = path.read_bytes()
    try:
        return TrackRows.parse(text, most)
    except ValueError:
        raise OutputError(f"{path}: not lines that RelayTrack wrote") from None


def rows_left_in(path: Path) -> TrackRows | None:
    """What can be read of a file that may be damaged, which is told; None where it is not there.

    Raises:
        OutputError: it is there and cannot be read.
    """
    if not path.exists():
        return None
    with writing(path, "read"):
        text = path.read_bytes()
    rows, damaged = TrackRows.parse_left(text)
    if damaged:
        LOG.warning("%s: %d damaged lines are taken out", path, damaged)
    return rows


def write_rows(folder: Path, kind: Kind, camera: str, rows: TrackRows) -> None:
    """Replace the lines of a camera, in one step.

    Raises:
        OutputError: they cannot be written.
    """
    write_bytes(rows_path(folder, kind, camera), rows.text())


def same_rows(folder: Path, kind: Kind, camera: str, rows: TrackRows) -> bool:
    """Whether the file of a camera holds exactly these lines.

    Raises:
        OutputError: it cannot be read.
    """
    path = rows_path(folder, kind, camera)
    with writing(path, "read"):
        return path.read_bytes() == rows.text()


def row_keys(rows: TrackRows) -> list[bytes]:
    """What a row says of its box, whoever it belongs to: the same for the same line of `tracks/` and `global/`."""
    table: Iterable[Doubles] = np.column_stack([rows.frames, rows.xywh, rows.scores])
    return [row.tobytes() for row in table]
