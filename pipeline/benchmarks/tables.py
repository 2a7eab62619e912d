"""The benchmark's figures as Markdown, alone or among rows quoted from an earlier report."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from relaytrack.pipeline.benchmarks.accuracy import Cell
from relaytrack.pipeline.benchmarks.speed import Timing, ratio


@dataclass(frozen=True, slots=True)
class Row:
    """One tracker in an accuracy table: per sequence (HOTA, IDF1, switches), milliseconds, where it is from."""

    name: str
    cells: dict[str, tuple[float, float, int]]
    milliseconds: float
    quoted: bool = False

    def mean(self, index: int) -> float:
        """The mean of HOTA (0) or IDF1 (1) over the sequences."""
        return float(np.mean([cell[index] for cell in self.cells.values()])) if self.cells else 0.0


def rows_of(cells: Iterable[Cell]) -> dict[str, list[Row]]:
    """Group measured cells: detector to rows."""
    grouped: dict[str, dict[str, list[Cell]]] = {}
    for cell in cells:
        grouped.setdefault(cell.detector, {}).setdefault(cell.tracker, []).append(cell)
    return {
        detector: [
            Row(
                name,
                {c.sequence: (100 * c.scores.hota, 100 * c.scores.idf1, c.scores.switches) for c in found},
                float(np.mean([c.milliseconds for c in found])),
            )
            for name, found in trackers.items()
        ]
        for detector, trackers in grouped.items()
    }


def quoted_rows(markdown: str) -> dict[str, list[Row]]:
    """Read the accuracy tables of a report: headings `### DETECTOR: ...`, cells `HOTA / IDF1 / switches`.

    Rows are flagged as quoted; anything else in the text is left out.
    """
    found: dict[str, list[Row]] = {}
    detector, sequences = "", list[str]()
    for line in markdown.splitlines():
        heading = re.match(r"#+\s*(\w+):", line)
        if heading or line.startswith("#"):
            detector, sequences = heading.group(1) if heading else "", []
        values = [value.strip() for value in line.strip().strip("|").split("|")]
        if not detector or len(values) < 3:
            continue
        if values[0] == "tracker":
            sequences = [name for name in values[1:] if not name.startswith("mean") and name != "ms"]
            continue
        cells = {}
        for name, value in zip(sequences, values[1:], strict=False):
            parts = re.fullmatch(r"([\d.]+) / ([\d.]+) / (\d+)", value)
            if parts:
                cells[name] = (float(parts[1]), float(parts[2]), int(parts[3]))
        if cells and re.fullmatch(r"[\d.]+", values[-1]):
            found.setdefault(detector, []).append(Row(values[0], cells, float(values[-1]), quoted=True))
    return found


def accuracy_table(rows: Sequence[Row]) -> str:
    """One detector's table, best mean HOTA first; rows measured here hide quoted ones of the same name."""
    shown = _measured_first(rows)
    sequences = list(dict.fromkeys(name for row in shown for name in row.cells))
    head = ["tracker", *sequences, "mean HOTA", "mean IDF1", "ms"]
    lines = [_line(head), "|" + "---|" * len(head)]
    for row in sorted(shown, key=lambda row: -row.mean(0)):
        cells = ["{:.1f} / {:.1f} / {}".format(*row.cells[name]) if name in row.cells else "" for name in sequences]
        name = f"{row.name} (quoted)" if row.quoted else _shown(row.name)
        lines.append(_line([name, *cells, f"{row.mean(0):.1f}", f"{row.mean(1):.1f}", f"{row.milliseconds:.2f}"]))
    return "\n".join(lines)


def summary_table(rows: Mapping[str, Sequence[Row]]) -> str:
    """Means over all real detectors' cells, of the trackers that ran on every one.

    Detectors whose name begins with "gt" stand for ground-truth boxes and are left out.
    """
    real = [_measured_first(found) for detector, found in rows.items() if not detector.startswith("gt")]
    names = [{row.name for row in found} for found in real]
    everywhere = set.intersection(*names) if names else set()
    lines = [_line(["tracker", "cells", "mean HOTA", "mean IDF1", "switches"]), "|---|---|---|---|---|"]
    ranked = []
    for name in everywhere:
        cells = [cell for found in real for row in found if row.name == name for cell in row.cells.values()]
        ranked.append((name, cells))
    for name, cells in sorted(ranked, key=lambda one: -float(np.mean([cell[0] for cell in one[1]]))):
        hota, idf1 = (float(np.mean([cell[index] for cell in cells])) for index in (0, 1))
        switches = sum(cell[2] for cell in cells)
        cited = any(row.quoted and row.name == name for found in real for row in found)
        label = f"{name} (quoted)" if cited else _shown(name)
        lines.append(_line([label, str(len(cells)), f"{hota:.2f}", f"{idf1:.2f}", str(switches)]))
    return "\n".join(lines)


def appearance_table(found: Mapping[str, Sequence[Cell]]) -> str:
    """What appearance buys: one line per sequence and detector, one column per kind of embedding."""
    names = list(found)
    cases = list(dict.fromkeys((c.sequence, c.detector) for cells in found.values() for c in cells))
    lines = [_line(["sequence", "detector", *names]), "|" + "---|" * (2 + len(names))]
    by_case = {(name, c.sequence, c.detector): c for name, cells in found.items() for c in cells}
    for case in cases:
        values = []
        for name in names:
            cell = by_case.get((name, *case))
            values.append(_cell_text(cell) if cell else "")
        lines.append(_line([*case, *values]))
    return "\n".join(lines)


def speed_table(timings: Sequence[Timing], reference: str | None) -> str:
    """Milliseconds by number of people; with a reference, how our tracker's time compares with its."""
    sizes = sorted({timing.people for timing in timings})
    by_name: dict[str, dict[int, Timing]] = {}
    for timing in timings:
        by_name.setdefault(timing.tracker, {})[timing.people] = timing
    head = ["tracker", *(f"N={size}" for size in sizes), f"ids at N={sizes[-1]}"]
    if reference in by_name:
        head += [f"x {reference}, N={size}" for size in sizes]
    lines = [_line(head), "|" + "---|" * len(head)]
    for name, found in sorted(by_name.items(), key=lambda item: item[1][sizes[-1]].milliseconds):
        values = [f"{found[size].milliseconds:.2f}" for size in sizes] + [str(found[sizes[-1]].ids)]
        if reference in by_name:
            values += [f"{ratio(found[size], by_name[reference][size]):.3f}" for size in sizes]
        lines.append(_line([_shown(name), *values]))
    return "\n".join(lines)


def _measured_first(rows: Sequence[Row]) -> list[Row]:
    """Leave out the quoted rows of trackers that were measured here."""
    here = {row.name for row in rows if not row.quoted}
    return [row for row in rows if not (row.quoted and row.name in here)]


def _cell_text(cell: Cell) -> str:
    scores = cell.scores
    return f"{100 * scores.hota:.1f} / {100 * scores.idf1:.1f} / {scores.switches} / {cell.milliseconds:.2f}"


def _shown(name: str) -> str:
    return f"**{name}**" if _ours(name) else name


def _ours(name: str) -> bool:
    return name.startswith("relaytrack")


def _line(values: Sequence[str]) -> str:
    return "| " + " | ".join(values) + " |"
