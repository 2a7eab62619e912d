"""The bird's-eye view: where people walked, for calibrated cameras."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from relaytrack.pipeline.dates import by_start
from relaytrack.pipeline.report.markup import Markup, join, tag
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


def floor_map(data: RunData, planes: Mapping[str, Plane]) -> Markup | None:
    """Everybody's trails on the floor, in metres; None without a calibrated camera or without people."""
    trails = [trail for camera, plane in planes.items() for trail in _trails(data, camera, plane)]
    if not trails:
        return None
    everything = np.concatenate([points for _, points in trails])
    low, high = np.percentile(everything, 0.5, axis=0) - 1.0, np.percentile(everything, 99.5, axis=0) + 1.0
    size = np.maximum(high - low, 1.0)
    unit = float(size.max()) / 40

    def at(points: NDArray[np.float64]) -> str:
        flipped = np.column_stack((points[:, 0] - low[0], high[1] - points[:, 1]))
        return " ".join(f"{x:.2f},{y:.2f}" for x, y in flipped.tolist())

    step = next((step for step in _STEPS if size.max() / step <= 12), _STEPS[-1])
    grid = []
    for x in np.arange(np.ceil(low[0] / step), high[0] / step) * step:
        grid.append(tag("line", x1=x - low[0], x2=x - low[0], y1=0, y2=size[1]))
        grid.append(tag("text", f"{x + 0.0:g}", x=x - low[0] + unit / 5, y=size[1] - unit / 4, font_size=f"{unit:.2f}"))
    for y in np.arange(np.ceil(low[1] / step), high[1] / step) * step:
        grid.append(tag("line", x1=0, x2=size[0], y1=high[1] - y, y2=high[1] - y))
        grid.append(tag("text", f"{y + 0.0:g}", x=unit / 5, y=high[1] - y - unit / 5, font_size=f"{unit:.2f}"))
    lines = [
        tag("polyline", tag("title", f"Person {identity}"), points=at(points), stroke=f"rgb{data.colors.of(identity)}")
        for identity, points in trails
    ]
    picture = tag(
        "svg",
        grid,
        lines,
        viewBox=f"0 0 {size[0]:.2f} {size[1]:.2f}",
        role="img",
        aria_label="Map of the floor with everybody's trails",
    )
    note = "Where people walked, seen from above; grid in metres."
    return join([tag("h2", "Map"), tag("p", note, class_="note"), tag("div", picture, class_="card map")])


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
