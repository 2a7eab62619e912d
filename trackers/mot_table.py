"""The numbers of a MOT Challenge text file, whatever separates them; what is no number is told by file and line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.errors import TrackerInputError
from relaytrack.trackers.textfile import read_text, text_fault, told_lines

LAYOUT = "frame,id,x,y,width,height,confidence,..."
_SEPARATORS = (";", ",")  # else white space


def read_table(path: Path, least: int, most: int | None = None) -> tuple[NDArray[np.float64], tuple[int, ...]]:
    """Read the rows of numbers of a file.

    Commas, white space, and semicolons with decimal commas (spreadsheets of many countries) separate the columns;
    blank lines and lines that begin with `#` are skipped.

    Args:
        path: the file.
        least: columns that every row must have.
        most: columns that a row may have; None for any number.

    Returns:
        (N, C) numbers, which may be NaN or infinite, and the number of each row's line, from 1; (0, `least`) for a
        file without rows.

    Raises:
        TrackerInputError: file absent or not text, too few or too many columns, not the same number in every line, or
            a value that is no number.
    """
    try:
        text = read_text(path)
    except FileNotFoundError:
        raise TrackerInputError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise TrackerInputError(f"{path}: cannot be read: {text_fault(error)}") from None
    told = told_lines(text)
    if not told:
        return np.zeros((0, least)), ()
    numbers, lines = zip(*told, strict=True)
    delimiter = next((sign for sign in _SEPARATORS if sign in lines[0]), None)
    if delimiter == ";":
        lines = tuple(line.replace(",", ".") for line in lines)
    try:
        table = np.loadtxt(lines, delimiter=delimiter, comments=None, ndmin=2, dtype=np.float64)
    except ValueError:
        raise TrackerInputError(_first_bad_line(path, numbers, lines, delimiter, least, most)) from None
    if not least <= table.shape[1] <= (most or table.shape[1]):
        raise TrackerInputError(_column_message(path, numbers[0], table.shape[1], least, most))
    return table, numbers


def _column_message(path: Path, number: int, found: int, least: int, most: int | None) -> str:
    expected = f"{least} or more" if most is None else f"{least} to {most}"
    return f"{path}:{number}: {found} column{'s' if found > 1 else ''}, expected {expected} ({LAYOUT})"


def _first_bad_line(
    path: Path, numbers: Sequence[int], lines: Sequence[str], delimiter: str | None, least: int, most: int | None
) -> str:
    """Find the line that numpy refused and say what is wrong with it."""
    expected = len(lines[0].split(delimiter))
    for number, line in zip(numbers, lines, strict=True):
        values = line.split(delimiter)
        if not least <= len(values) <= (most or len(values)):
            return _column_message(path, number, len(values), least, most)
        if len(values) != expected:
            return f"{path}:{number}: {len(values)} columns where the lines before have {expected}"
        for column, value in enumerate(values, 1):
            try:
                float(value)
            except ValueError:
                return f"{path}:{number}: column {column} is not a number ({value.strip()[:40]!r})"
    return f"{path}: not a table of numbers"
