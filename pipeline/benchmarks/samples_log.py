"""Samples of an endurance run: a CSV that is whole at any moment, and what the samples say in the end.

They are kept in the CSV alone. In memory they would be growth of their own: 0.3 MiB an hour at one a second.
"""

from __future__ import annotations

import csv
import itertools
import os
import random
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from relaytrack.pipeline.benchmarks.growth import Growth, growth
from relaytrack.pipeline.results.folder import writing

Row = dict[str, float | int | None]


def quarters(rows: Sequence[Row]) -> list[tuple[Row, Row]]:
    """The first and the last sample of each quarter of some samples; fewer quarters where there are hardly any."""
    cuts = sorted({round(part * (len(rows) - 1) / 4) for part in range(5)}) if rows else []
    return [(rows[first], rows[last]) for first, last in itertools.pairwise(cuts)]


def pause(mean: float) -> float:
    """How far it is to the next sample: between half and one and a half of `mean`, by chance.

    With equal pauses every sample could meet the same moment of a frame's way, or of a clip that is played again and
    again. Where the two drift slowly against each other that looks like growth.
    """
    return mean * random.uniform(0.5, 1.5)


def _given(cell: str) -> float | int | None:
    """A value as it was given, but for its rounding."""
    if not cell:
        return None
    value = float(cell)
    return int(value) if value.is_integer() else value


class SamplesLog:
    """Keeps samples and writes each to a CSV at once; to be used in a `with` block.

    Args:
        path: the CSV.
        columns: their names, in order; a missing value is an empty cell.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self._columns = tuple(columns)
        self._count = 0
        self._kept: list[Row] | None = None  # all samples, once the file is closed
        with writing(path):
            self._file = open(path, "w+", newline="", encoding="utf-8")  # noqa: SIM115
        self._writer = csv.DictWriter(self._file, columns)
        self._writer.writeheader()

    def add(self, row: Row) -> None:
        """Take a sample."""
        self._writer.writerow(
            {key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()}
        )
        self._file.flush()
        self._count += 1

    def __len__(self) -> int:
        """Number of samples so far."""
        return self._count

    @property
    def rows(self) -> list[Row]:
        """All samples so far, in their order, rounded to four digits after the point; None for a missing value."""
        if self._kept is not None:
            return self._kept
        self._file.seek(0)
        rows = [{name: _given(cell) for name, cell in row.items()} for row in csv.DictReader(self._file)]
        self._file.seek(0, os.SEEK_END)
        return rows

    def growth(self, column: str, *, over: str, after: float, horizon: float, limit: float) -> Growth:
        """The growth of a column along another one, from the place `after` on; see `growth.growth`."""
        rows = [row for row in self.rows if (row[over] or 0) >= after]
        values = [float("nan") if row[column] is None else float(row[column] or 0) for row in rows]
        return growth([float(row[over] or 0) for row in rows], values, horizon=horizon, limit=limit)

    def __enter__(self) -> SamplesLog:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self._kept = self.rows
        self._file.close()
