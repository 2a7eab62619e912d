"""Text files of the MOT Challenge: one row per box, `frame,id,x,y,w,h,confidence,class,visibility`.

Reading is strict: what a scorer would silently misread (a missing column, one id twice in a frame, an id that
does not fit 32 bits) is an error naming file, line and value. Layout: https://motchallenge.net/instructions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from relaytrack.trackers.errors import TrackerInputError
from relaytrack.trackers.mot_table import read_table
from relaytrack.trackers.textfile import write_text

MIN_COLUMNS, MAX_COLUMNS = 6, 10
MAX_ID = 2**31 - 1
MAX_PIXELS = 1e9  # squares of it are still numbers
MAX_FRAME = 2**31 - 1


@dataclass(frozen=True, slots=True)
class MotRows:
    """The boxes of one sequence, ordered by frame (rows of a frame keep the file's order).

    Attributes:
        frames: (N,) int64, 1-based frame numbers, not decreasing.
        ids: (N,) int64, 0 to 2**31 - 1, unique within a frame.
        xywh: (N, 4) float64, left, top, width, height in pixels.
        scores: (N,) float64, the confidence (in ground truth the flag: 0 means "do not score"); 1 if absent.
        classes: (N,) int64, the MOT16/17/20 class number; -1 where the file has none.
        visibility: (N,) float64, visible fraction; NaN where the file has none.
    """

    frames: NDArray[np.int64]
    ids: NDArray[np.int64]
    xywh: NDArray[np.float64]
    scores: NDArray[np.float64]
    classes: NDArray[np.int64]
    visibility: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.frames)

    def select(self, keep: NDArray[np.bool_] | NDArray[np.int64]) -> MotRows:
        """The rows that a mask or index array (N,) picks."""
        return MotRows(
            self.frames[keep],
            self.ids[keep],
            self.xywh[keep],
            self.scores[keep],
            self.classes[keep],
            self.visibility[keep],
        )


def rows_from_arrays(
    frames: ArrayLike,
    ids: ArrayLike,
    xyxy: ArrayLike,
    scores: ArrayLike | None = None,
    *,
    origin: str = "result",
) -> MotRows:
    """Make checked rows from a tracker's output.

    Args:
        frames: (N,) 1-based frame numbers, in any order.
        ids: (N,) track ids.
        xyxy: (N, 4) corners in pixels.
        scores: (N,) confidences; 1 when left out.
        origin: what the error messages call the data.

    Raises:
        TrackerInputError: for what `read_mot` refuses in a file.
    """
    corners = np.asarray(xyxy, np.float64).reshape(-1, 4)
    count = len(corners)
    table = np.ones((count, 7))
    for column, values in ((0, frames), (1, ids), (6, np.ones(count) if scores is None else scores)):
        array = np.asarray(values, np.float64).ravel()
        if len(array) != count:
            raise TrackerInputError(f"{origin}: {count} boxes but {len(array)} values beside them")
        table[:, column] = array
    table[:, 2:4] = corners[:, :2]
    table[:, 4:6] = corners[:, 2:] - corners[:, :2]
    return _checked(table, origin, None)


def read_mot(path: str | Path) -> MotRows:
    """Read one file; see `read_table`. An empty file is no rows.

    Raises:
        TrackerInputError: file absent or not text; fewer than 6 or more than 10 columns, or not the same number in
            every line; a value that is not a finite number; a frame below 1; a negative id or one beyond
            int32; a negative width or height; one id twice in a frame.
    """
    table, numbers = read_table(Path(path), MIN_COLUMNS, MAX_COLUMNS)
    return _checked(table, str(path), numbers)


def write_mot(path: str | Path, rows: MotRows) -> None:
    """Write a result file, `frame,id,x,y,w,h,confidence,-1,-1,-1`, boxes to a hundredth of a pixel.

    Raises:
        TrackerInputError: the file cannot be written; what was there before stays.
    """
    lines = [
        f"{frame},{track},{box[0]:.2f},{box[1]:.2f},{box[2]:.2f},{box[3]:.2f},{score:.3f},-1,-1,-1\n"
        for frame, track, box, score in zip(
            rows.frames.tolist(), rows.ids.tolist(), rows.xywh.tolist(), rows.scores.tolist(), strict=True
        )
    ]
    try:
        write_text(Path(path), "".join(lines))
    except OSError as error:
        raise TrackerInputError(f"{path}: cannot be written: {error.strerror}") from None


def _checked(table: NDArray[np.float64], origin: str, numbers: Sequence[int] | None) -> MotRows:
    """Turn the (N, 6 to 10) table of numbers into rows, or say which row is wrong."""

    def refuse(bad: NDArray[np.bool_], reason: str, column: int) -> None:
        if bad.any():
            row = int(np.argmax(bad))
            where = f"{origin}: row {row + 1}" if numbers is None else f"{origin}:{numbers[row]}"
            raise TrackerInputError(f"{where}: {reason} ({table[row, column]:.12g})")

    count, columns = table.shape
    for column in range(columns):
        refuse(~np.isfinite(table[:, column]), f"column {column + 1} is not a finite number", column)
    frame, track = table[:, 0], table[:, 1]
    refuse((frame < 1) | (frame % 1 != 0), "the frame is not a whole number from 1 on", 0)
    refuse(frame > MAX_FRAME, "the frame number is beyond 32 bits", 0)
    refuse(track % 1 != 0, "the id is not a whole number", 1)
    refuse(track < 0, "the id is negative: are these detections without tracks?", 1)
    refuse(track > MAX_ID, "the id is beyond 32 bits (2147483647)", 1)
    for column in range(2, 6):
        refuse(np.abs(table[:, column]) > MAX_PIXELS, f"column {column + 1} is beyond 1e9 pixels", column)
    refuse(table[:, 4] < 0, "the width is negative", 4)
    refuse(table[:, 5] < 0, "the height is negative", 5)
    frames, ids = frame.astype(np.int64), track.astype(np.int64)
    by_id = np.lexsort((ids, frames))
    twice = (np.diff(frames[by_id]) == 0) & (np.diff(ids[by_id]) == 0)
    if twice.any():
        row = int(by_id[1:][twice][0])
        where = f"{origin}: row {row + 1}" if numbers is None else f"{origin}:{numbers[row]}"
        raise TrackerInputError(f"{where}: id {ids[row]} appears twice in frame {frames[row]}")
    # MOT15 keeps world coordinates in columns 8 to 10: a class is a whole number from 0 on, in every row.
    classes, visibility = np.full(count, -1, np.int64), np.full(count, np.nan)
    if columns >= 8 and bool(np.all((table[:, 7] % 1 == 0) & (table[:, 7] >= 0) & (table[:, 7] < 1000))):
        classes = table[:, 7].astype(np.int64)
        visibility = table[:, 8].copy() if columns >= 9 else visibility
    scores = table[:, 6].copy() if columns >= 7 else np.ones(count)
    order = np.argsort(frames, kind="stable")
    rows = MotRows(frames, ids, table[:, 2:6].copy(), scores, classes, visibility)
    return rows.select(order)
