"""The charts of the report, as what their templates draw: time line, transition matrix, counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relaytrack.pipeline.dates import format_time
from relaytrack.pipeline.report.links import VideoLink, style_of, video_link
from relaytrack.pipeline.report.scales import round_step
from relaytrack.pipeline.results.run_data import RunData
from relaytrack.pipeline.results.visits import Visit, rows_of, typical

_ROW = 22  # pixels from row to row
_MOST_BARS = 1500  # per camera
_STEPS = (0.1, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)


@dataclass(frozen=True, slots=True)
class StayBar:
    """One stay in the time line; `wide` says that the person's number fits into it."""

    identity: int
    link: VideoLink
    style: str
    text: str
    wide: bool


@dataclass(frozen=True, slots=True)
class CameraRow:
    """One camera's stays in the time line, `height` pixels high."""

    camera: str
    number: int
    height: int
    bars: Sequence[StayBar]


@dataclass(frozen=True, slots=True)
class Tick:
    """A round time below a chart, `left` percent from the left."""

    text: str
    left: str


@dataclass(frozen=True, slots=True)
class WayCell:
    """How often people went one way: `count` times, more `heat` (percent) for more; and the times between."""

    count: int
    heat: int
    text: str
    title: str


@dataclass(frozen=True, slots=True)
class Curve:
    """How many people one camera saw over time: the path of an SVG 50 high and `width` wide."""

    camera: str
    most: int
    width: int
    path: str


def timeline(data: RunData, stays: Mapping[int, Sequence[Visit]]) -> list[CameraRow]:
    """One row per camera with a bar for each stay; overlapping stays stand below each other."""
    start, end = data.span
    rows = []
    for number, camera in enumerate(data.cameras):
        here = [visit for person in stays.values() for visit in person if visit.camera == camera]
        here = sorted(here, key=lambda visit: visit.first - visit.last)[:_MOST_BARS]  # the longest
        placed = rows_of(here)
        bars = []
        for visit, row in sorted(placed.items(), key=lambda item: (item[0].first, item[0].identity)):
            left = 100 * (visit.first - start) / (end - start)
            width = 100 * (visit.last - visit.first) / (end - start)
            style = f"left:{left:.3f}%;width:{width:.3f}%;top:{row * _ROW}px;{style_of(data, visit.identity)}"
            text = f"Person {visit.identity}, {camera}, {data.moment(visit.first)} to {data.moment(visit.last)}"
            wide = width > 0.55 * (len(str(visit.identity)) + 1)
            bars.append(StayBar(visit.identity, video_link(data, camera, visit.first), style, text, wide))
        height = max(1, 1 + max(placed.values(), default=0)) * _ROW - 4
        rows.append(CameraRow(camera, number, height, bars))
    return rows


def time_axis(data: RunData) -> list[Tick]:
    """Round times below a chart."""
    start, end = data.span
    step = round_step(end - start, _STEPS, 7)
    zero = data.clock_zero or 0.0  # round times of day in a live run
    ticks = []
    for number in range(int(np.ceil((start + zero) / step)), int((end + zero) / step) + 1):
        time = number * step - zero
        text = data.moment(time, whole=step >= 60)
        text = text.removesuffix(".0") if step >= 1 else text
        ticks.append(Tick(text, f"{100 * (time - start) / (end - start):.3f}"))
    return ticks


def matrix(cameras: Sequence[str], found: Mapping[tuple[str, str], Sequence[float]]) -> list[list[WayCell | None]]:
    """Who went from where (row) to where (column): counts and median times; None where nobody did."""
    most = max((len(times) for times in found.values()), default=1)

    def cell(origin: str, target: str) -> WayCell | None:
        times = found.get((origin, target))
        if not times:
            return None
        median = typical(times)
        text = f"median {median:.1f} s" if abs(median) < 100 else f"median {format_time(median)[:-2]}"
        title = f"{origin} to {target}: {len(times)}, between {min(times):.1f} and {max(times):.1f} seconds"
        return WayCell(len(times), round(10 + 45 * len(times) / most), text, title)

    return [[cell(origin, target) for target in cameras] for origin in cameras]


def count_curves(table: Mapping[str, NDArray[np.int64]]) -> list[Curve]:
    """One step curve per camera, all on the same scale."""
    top = max((int(values.max()) for values in table.values() if len(values)), default=0)
    curves = []
    for camera, values in table.items():
        points = [f"M0,{_level(0, top)}"]
        for number, value in enumerate(values.tolist()):
            level = _level(value, top)
            points.append(f"L{number},{level}L{number + 1},{level}")
        points.append(f"L{len(values)},{_level(0, top)}")
        curves.append(Curve(camera, int(values.max()), len(values), "".join(points)))
    return curves


def _level(value: int, top: int) -> str:
    return f"{49 - 46 * value / max(1, top):.1f}"
