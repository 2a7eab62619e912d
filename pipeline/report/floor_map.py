"""The bird's-eye view: where people walked, for calibrated cameras."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from relaytrack.pipeline.dates import by_start
from relaytrack.pipeline.report.scales import round_step
from relaytrack.pipeline.results.run_data import RunData
from relaytrack.pipeline.results.track_rows import TrackRows, read_rows_of

_MOST_POINTS = 60_000
_MOST_FILES = 36  # of a live run's segments, the latest
_FAR = 1.5  # metres between two points of a trail that are still one line
_STEPS = (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


class Plane(Protocol):
    """What carries a camera's pixels to the floor; `trackers.GroundPlane` does."""

    def project(self, pixels: ArrayLike) -> NDArray[np.float64]:
        """(N, 2) pixels of the full picture to (N, 2) metres; NaN above the horizon."""


@dataclass(frozen=True, slots=True)
class GridLine:
    """A line of the grid at a round number of metres, from (x1, y1) to (x2, y2), with its label at (x, y)."""

    x1: float
    y1: float
    x2: float
    y2: float
    x: float
    y: float
    label: str


@dataclass(frozen=True, slots=True)
class Trail:
    """A piece of a person's walk: `points` as an SVG polyline has them."""

    identity: int
    color: str
    points: str


@dataclass(frozen=True, slots=True)
class FloorMap:
    """The map, `width` by `height` metres; labels are `letters` metres high."""

    width: float
    height: float
    letters: str
    grid: Sequence[GridLine]
    trails: Sequence[Trail]


def floor_map(data: RunData, planes: Mapping[str, Plane]) -> FloorMap | None:
    """Everybody's trails on the floor, in metres; None without a calibrated camera or without people."""
    trails = [trail for camera, plane in planes.items() for trail in _trails(data, camera, plane)]
    if not trails:
        return None
    everything = np.concatenate([points for _, points in trails])
    low, high = np.percentile(everything, 0.5, axis=0) - 1.0, np.percentile(everything, 99.5, axis=0) + 1.0
    width, height = np.maximum(high - low, 1.0).tolist()
    letter = max(width, height) / 40

    def at(points: NDArray[np.float64]) -> str:
        flipped = np.column_stack((points[:, 0] - low[0], high[1] - points[:, 1]))
        return " ".join(f"{x:.2f},{y:.2f}" for x, y in flipped.tolist())

    step = round_step(max(width, height), _STEPS, 12)
    grid = []
    for metres in (np.arange(np.ceil(low[0] / step), high[0] / step) * step).tolist():
        x = metres - low[0]
        grid.append(GridLine(x, 0, x, height, x + letter / 5, height - letter / 4, f"{metres + 0.0:g}"))
    for metres in (np.arange(np.ceil(low[1] / step), high[1] / step) * step).tolist():
        y = high[1] - metres
        grid.append(GridLine(0, y, width, y, letter / 5, y - letter / 5, f"{metres + 0.0:g}"))
    lines = [Trail(identity, f"rgb{data.colors.of(identity)}", at(points)) for identity, points in trails]
    return FloorMap(width, height, f"{letter:.2f}", grid, lines)


def _trails(data: RunData, camera: str, plane: Plane) -> list[tuple[int, NDArray[np.float64]]]:
    """The pieces of walks that one camera saw: (identity, (N, 2) metres)."""
    single = data.folder / "global" / f"{camera}.txt"
    pieces = by_start((data.folder / "global" / camera).glob("*.txt"))
    paths = [single] if single.exists() else [path for _, path in pieces]
    tables = [read_rows_of(path, 10 * _MOST_POINTS) for path in paths[-_MOST_FILES:]]
    if not any(tables):
        return []
    rows = TrackRows.joined(tables)
    rows = rows.pick(np.arange(0, len(rows), max(1, len(rows) // _MOST_POINTS)))
    feet = np.column_stack((rows.xywh[:, 0] + rows.xywh[:, 2] / 2, rows.xywh[:, 1] + rows.xywh[:, 3]))
    metres = plane.project(feet)
    found = []
    for identity in np.unique(rows.ids).tolist():
        points = metres[(rows.ids == identity) & np.isfinite(metres).all(axis=1)]
        if len(points) < 2:
            continue
        cuts = np.flatnonzero(np.linalg.norm(np.diff(points, axis=0), axis=1) > _FAR) + 1
        found += [(identity, piece) for piece in np.split(points, cuts) if len(piece) > 1]
    return found
