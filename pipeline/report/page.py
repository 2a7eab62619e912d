"""`report.html`: one page that explains a run, in itself complete but for the videos it links to."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from relaytrack.pipeline.dates import format_time, zones
from relaytrack.pipeline.report.cameras import cameras
from relaytrack.pipeline.report.charts import count_curves, matrix, time_axis, timeline
from relaytrack.pipeline.report.doubtful import doubtful
from relaytrack.pipeline.report.floor_map import Plane, floor_map
from relaytrack.pipeline.report.links import style_of
from relaytrack.pipeline.report.people import people
from relaytrack.pipeline.results.folder import write_atomically
from relaytrack.pipeline.results.run_data import RunData, load_run
from relaytrack.pipeline.results.visits import counts, people_in_several, transitions, visits

NAME = "report.html"
_TEMPLATES = Path(__file__).resolve().parent / "templates"


@dataclass(frozen=True, slots=True)
class PageSection:
    """A section of the page: the template `name`.html shows `view`; None leaves it out."""

    name: str
    title: str
    view: object


def write_report(folder: Path, planes: Mapping[str, Plane] | None = None) -> Path:
    """Write `report.html` of a run into its folder.

    Args:
        folder: the run's output folder.
        planes: per calibrated camera, what carries its pixels to metres on the floor; adds a map.

    Returns:
        The page's path.

    Raises:
        InputError: the folder holds no run.
        OutputError: the page cannot be written.
    """
    path = folder / NAME
    write_atomically(path, render(load_run(folder), planes or {}))
    return path


def render(data: RunData, planes: Mapping[str, Plane]) -> str:
    """The page as HTML; everything that comes from outside is escaped."""
    style, script = ((_TEMPLATES / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    stays = {identity: visits(identity, tracks) for identity, tracks in data.people.items()}
    ways = transitions(list(stays.values()))
    several = len(data.cameras) > 1
    sections = [
        PageSection("cameras", "Cameras", cameras(data, stays)),
        PageSection("doubts", "Doubtful", doubtful(data, stays, ways)),
        PageSection("people", "People", people(data, stays)),
        PageSection("timeline", "Time line", timeline(data, stays)),
        PageSection("between", "Between cameras", matrix(list(data.cameras), ways) if several else None),
        PageSection("counts", "Counts", count_curves(counts(data)[1])),
        PageSection("map", "Map", floor_map(data, planes)),
    ]
    return (
        _environment()
        .get_template("page.html")
        .render(
            data=data,
            sections=[section for section in sections if section.view is not None],
            facts=_facts(data),
            tiles=_tiles(data),
            ticks=time_axis(data),
            title=data.folder.resolve().name,
            version=_version(data),
            style=style,
            script=script,
            digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
            style_of=partial(style_of, data),
            marks=partial(_marks, data),
        )
    )


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _facts(data: RunData) -> list[str]:
    start, end = data.span
    facts = [f"{len(data.cameras)} camera{'s' * (len(data.cameras) != 1)}", f"{format_time(end - start)} of footage"]
    started = data.run.get("started")
    if isinstance(started, str):
        try:
            facts.insert(0, datetime.fromisoformat(started).astimezone().strftime("%d %B %Y, %H:%M"))
        except ValueError:
            facts.insert(0, started)
    if data.clock_zero is not None:
        facts.append(f"times of the place ({zones(data.clock_zero + start, data.clock_zero + end)})")
    return facts


def _tiles(data: RunData) -> list[tuple[int, str]]:
    return [
        (len(data.people), "people"),
        (people_in_several(data), "seen by two or more cameras"),
        (sum(len(tracks) for tracks in data.people.values()), "tracks"),
        (sum(camera.frames for camera in data.cameras.values()), "frames"),
    ]


def _version(data: RunData) -> object:
    versions = data.run.get("versions")
    return versions.get("relaytrack") if isinstance(versions, dict) else None


def _marks(data: RunData, identities: Sequence[int]) -> dict[str, str]:
    """What the filter goes by: whom an element is about, and the numbers of the cameras that saw them."""
    numbers = {camera: number for number, camera in enumerate(data.cameras)}
    seen = {numbers[track.camera] for one in identities for track in data.people[one] if track.camera in numbers}
    return {"data-ids": " ".join(map(str, identities)), "data-cams": " ".join(map(str, sorted(seen)))}
