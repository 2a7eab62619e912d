"""The charts of the report: time line, transition matrix, counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from relaytrack.pipeline.render.painter import format_time
from relaytrack.pipeline.report.links import colors, moment_link
from relaytrack.pipeline.report.markup import Markup, join, tag
from relaytrack.pipeline.results.run_data import RunData
from relaytrack.pipeline.results.visits import Visit, rows_of, typical

_ROW = 22  # pixels from lane to lane
_MOST_BARS = 1500  # per camera
_STEPS = (0.1, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)


def timeline(data: RunData, stays: Mapping[int, Sequence[Visit]]) -> list[Markup]:
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
            style = f"left:{left:.3f}%;width:{width:.3f}%;top:{row * _ROW}px;{colors(data, visit.identity)}"
            text = f"Person {visit.identity}, {camera}, {data.moment(visit.first)} to {data.moment(visit.last)}"
            wide = width > 0.55 * (len(str(visit.identity)) + 1)
            bars.append(
                moment_link(
                    data,
                    camera,
                    visit.first,
                    join([str(visit.identity)]),
                    class_="bar" if wide else "bar narrow",
                    style=style,
                    data_id=visit.identity,
                    data_ids=visit.identity,
                    data_cams=number,
                    data_title=text,
                    aria_label=text,
                )
            )
        height = max(1, 1 + max(placed.values(), default=0)) * _ROW - 4
        box = tag("div", bars, class_="rows", style=f"height:{height}px")
        rows.append(tag("div", tag("b", camera, title=camera), box, class_="lane"))
    return rows


def time_axis(data: RunData) -> Markup:
    """Round times below a chart."""
    start, end = data.span
    step = next((step for step in _STEPS if (end - start) / step <= 7), _STEPS[-1])
    zero = data.clock_zero or 0.0  # round times of day in a live run
    ticks = []
    for number in range(int(np.ceil((start + zero) / step)), int((end + zero) / step) + 1):
        time = number * step - zero
        text = data.moment(time)
        text = text.removesuffix(".0") if step >= 1 else text
        ticks.append(tag("span", text, style=f"left:{100 * (time - start) / (end - start):.3f}%"))
    return tag("div", tag("span"), tag("div", ticks[:60], class_="ticks"), class_="axis")


def matrix_table(cameras: Sequence[str], found: Mapping[tuple[str, str], Sequence[float]]) -> Markup:
    """Who went from where to where: counts, median times, darker for more."""
    most = max((len(times) for times in found.values()), default=1)

    def cell(origin: str, target: str) -> Markup:
        times = found.get((origin, target))
        if not times:
            return tag("td", tag("span", "\N{EN DASH}"))
        heat = round(10 + 45 * len(times) / most)
        median = typical(times)
        text = f"median {median:.1f} s" if abs(median) < 100 else f"median {format_time(median)[:-2]}"
        title = f"{origin} to {target}: {len(times)}, between {min(times):.1f} and {max(times):.1f} seconds"
        return tag("td", tag("b", len(times)), tag("span", text), class_="some", style=f"--heat:{heat}%", title=title)

    head = tag("tr", tag("th", "from \\ to", class_="quiet"), [tag("th", name, scope="col") for name in cameras])
    rows = [
        tag("tr", tag("th", origin, scope="row"), [cell(origin, target) for target in cameras]) for origin in cameras
    ]
    return tag("table", tag("thead", head), tag("tbody", rows), class_="matrix")


def count_charts(table: Mapping[str, NDArray[np.int64]]) -> list[Markup]:
    """One step curve per camera, all on the same scale."""
    top = max((int(values.max()) for values in table.values() if len(values)), default=0)
    charts = []
    for camera, values in table.items():
        label = tag("div", tag("b", camera), tag("div", f"up to {int(values.max())}", class_="quiet"))
        points = [f"M0,{_level(0, top)}"]
        for number, value in enumerate(values.tolist()):
            level = _level(value, top)
            points.append(f"L{number},{level}L{number + 1},{level}")
        points.append(f"L{len(values)},{_level(0, top)}")
        curve = tag("path", d="".join(points))
        text = f"People in {camera} over time, up to {int(values.max())}"
        chart = tag(
            "svg", curve, viewBox=f"0 0 {len(values)} 50", preserveAspectRatio="none", role="img", aria_label=text
        )
        charts.append(tag("div", label, chart, class_="count"))
    return charts


def _level(value: int, top: int) -> str:
    return f"{49 - 46 * value / max(1, top):.1f}"
