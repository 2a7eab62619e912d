"""`report.html`: one page that explains a run, in itself complete but for the videos it links to."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib import resources
from pathlib import Path

from relaytrack.pipeline.dates import zone
from relaytrack.pipeline.render.painter import format_time
from relaytrack.pipeline.report.cameras import cameras
from relaytrack.pipeline.report.charts import count_charts, matrix_table, time_axis, timeline
from relaytrack.pipeline.report.evidence import Ways, evidence
from relaytrack.pipeline.report.filtering import controls, marks
from relaytrack.pipeline.report.floor_map import Plane, floor_map
from relaytrack.pipeline.report.links import chip, moment_link
from relaytrack.pipeline.report.markup import Markup, join, tag
from relaytrack.pipeline.results.doubts import Doubt, doubts
from relaytrack.pipeline.results.folder import write_atomically
from relaytrack.pipeline.results.identities import TrackRecord
from relaytrack.pipeline.results.run_data import RunData, load_run
from relaytrack.pipeline.results.visits import Visit, counts, people_in_several, transitions, visits

NAME = "report.html"
_LONGEST_ROUTE = 4  # cameras that a card names
_MOST_PEOPLE = 300
_MOST_CROPS = 14
_ALL_CROPS = 1500


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
    style, script = _asset("page.css"), _asset("page.js")
    stays = {identity: visits(identity, tracks) for identity, tracks in data.people.items()}
    ways = transitions(list(stays.values()))
    sections = [
        ("cameras", "Cameras", cameras(data, stays)),
        ("doubts", "Doubtful", _doubtful(data, stays, ways)),
        ("people", "People", _people(data, stays)),
        ("timeline", "Time line", _timeline(data, stays)),
        ("between", "Between cameras", _between(data, ways)),
        ("counts", "Counts", _counts(data)),
        ("map", "Map", floor_map(data, planes)),
    ]
    shown = [(name, title, content) for name, title, content in sections if content is not None]
    policy = (
        f"default-src 'none'; img-src data:; media-src 'self' file:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{_digest(script)}'; base-uri 'none'; form-action 'none'"
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", f"RelayTrack: {data.folder.resolve().name}"),
        tag("style", Markup(style)),
    )
    body = tag(
        "body",
        _header(data),
        tag("nav", tag("div", [tag("a", title, href=f"#{name}") for name, title, _ in shown]), aria_label="Sections"),
        controls(data),
        tag("main", [tag("section", content, id=name) for name, _, content in shown]),
        tag("footer", _footer(data)),
        _player(),
        tag("script", Markup(script)),
    )
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def _asset(name: str) -> str:
    return resources.files("relaytrack.pipeline.report").joinpath(name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _header(data: RunData) -> Markup:
    start, end = data.span
    facts = [f"{len(data.cameras)} camera{'s' * (len(data.cameras) != 1)}", f"{format_time(end - start)} of footage"]
    started = data.run.get("started")
    if isinstance(started, str):
        try:
            facts.insert(0, datetime.fromisoformat(started).astimezone().strftime("%d %B %Y, %H:%M"))
        except ValueError:
            facts.insert(0, started)
    if data.clock_zero is not None:
        facts.append(f"times of the place ({zone(data.clock_zero)})")
    tiles = [
        (len(data.people), "people"),
        (people_in_several(data), "seen by two or more cameras"),
        (sum(len(tracks) for tracks in data.people.values()), "tracks"),
        (sum(camera.frames for camera in data.cameras.values()), "frames"),
    ]
    figures = [tag("div", tag("b", f"{number:,}"), tag("span", text), class_="tile") for number, text in tiles]
    notice = None
    if data.run.get("final") is False:
        notice = tag(
            "p",
            tag("b", "Provisional identities. "),
            "This run was live or ended early, so later corrections are not in its videos and texts.",
            class_="notice",
        )
    return tag(
        "header",
        tag("h1", "Who was where"),
        tag("div", " · ".join(facts), class_="quiet"),
        notice,
        tag("div", figures, class_="tiles"),
    )


def _doubtful(data: RunData, stays: Mapping[int, Sequence[Visit]], ways: Ways) -> Markup | None:
    found = doubts(data)
    if not found:
        return None
    note = (
        "Decisions that rest on the least evidence, most doubtful first. Look at these before you trust the rest. "
        "Looks alone decide nothing: times and ways count as well, so that two people as alike as 0.97 may be kept "
        "apart and tracks less alike may be one person."
    )
    return join(
        [
            tag("h2", "Doubtful decisions"),
            tag("p", note, class_="note"),
            tag("div", [_doubt(data, doubt, evidence(data, doubt, stays, ways)) for doubt in found], class_="doubts"),
        ]
    )


def _doubt(data: RunData, doubt: Doubt, reasons: Sequence[str]) -> Markup:
    one, other = doubt.one[0], doubt.other[0]
    pictures = [_picture(data, doubt.one[1]), _picture(data, doubt.other[1])]
    measure = f"similarity {doubt.similarity:.2f}"
    people = [one, other]
    if doubt.rival is not None:
        rival = doubt.rival[0]
        text = join(
            ["Taken for one person, ", chip(data, one), ", though ", chip(data, rival), " looks about as much alike"]
        )
        pictures += [tag("span", "or", class_="quiet or"), _picture(data, doubt.rival[1])]
        measure += f", with {rival}: {doubt.rival_similarity:.2f}"
        people = [one, rival]
    else:
        text = join(["Kept apart, ", chip(data, one), " and ", chip(data, other), ", though they look alike"])
    return tag(
        "div",
        tag("p", text),
        tag("div", pictures, class_="pair"),
        tag("p", measure, class_="quiet"),
        [tag("p", reason, class_="why") for reason in reasons],
        class_="card doubt",
        **marks(data, people),
    )


def _picture(data: RunData, track: TrackRecord) -> Markup:
    """The best picture of a track with where and when, or those alone."""
    best = max(track.crops, key=lambda crop: float(crop["quality"]), default=None)
    time = track.first if best is None else float(best["time"])
    return _figure(data, track.camera, time, None if best is None else str(best["file"]))


def _figure(data: RunData, camera: str, time: float, file: str | None) -> Markup:
    image = None
    if file is not None:
        source = _inline(data.folder, file)
        if source is not None:
            alt = f"Person in {camera} at {data.moment(time)}"
            image = tag("img", src=source, alt=alt, loading="lazy", width="54", height="132")
    caption = tag("figcaption", tag("b", camera, title=camera), data.moment(time))
    return tag("figure", moment_link(data, camera, time, join([image, caption])))


def _inline(folder: Path, file: str) -> str | None:
    """A picture as a data address; None if it is not there or not below the folder."""
    path = (folder / file).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        return None
    return "data:image/jpeg;base64," + base64.b64encode(path.read_bytes()).decode()


def _people(data: RunData, stays: Mapping[int, Sequence[Visit]]) -> Markup:
    def order(identity: int) -> tuple[int, float, int]:
        tracks = data.people[identity]
        return -len({track.camera for track in tracks}), min(track.first for track in tracks), identity

    shown = sorted(data.people, key=order)
    note = "Everybody with their best pictures, by time; those whom most cameras saw come first."
    if len(shown) > _MOST_PEOPLE:
        note += f" The first {_MOST_PEOPLE} of {len(shown):,} are shown."
    if not shown:
        note = "Nobody was seen."
    pictures = min(_MOST_CROPS, max(3, _ALL_CROPS // max(1, len(shown))))  # the page stays a few megabytes small
    cards = [_person(data, identity, stays[identity], pictures) for identity in shown[:_MOST_PEOPLE]]
    return join([tag("h2", "People"), tag("p", note, class_="note"), tag("div", cards, class_="people")])


def _person(data: RunData, identity: int, stays: Sequence[Visit], pictures: int) -> Markup:
    tracks = data.people[identity]
    route: list[str] = []
    for stay in stays:
        if not route or route[-1] != stay.camera:
            route.append(stay.camera)
    whole = " → ".join(route)
    if len(route) > _LONGEST_ROUTE:
        route = [*route[: _LONGEST_ROUTE - 2], f"… {len(route) - _LONGEST_ROUTE + 1} more …", route[-1]]
    crops = [(float(crop["time"]), track.camera, crop) for track in tracks for crop in track.crops]
    best = sorted(crops, key=lambda entry: -float(entry[2]["quality"]))[:pictures]
    figures = [
        _figure(data, camera, time, str(crop["file"]))
        for time, camera, crop in sorted(best, key=lambda entry: entry[:2])
    ]
    if not figures:
        figures = [_figure(data, stay.camera, stay.first, None) for stay in stays[:_MOST_CROPS]]
    first, last = min(track.first for track in tracks), max(track.last for track in tracks)
    title = tag(
        "h3",
        chip(data, identity, linked=False),
        tag("span", " → ".join(route), class_="route", title=whole),
        tag("span", f"{data.moment(first)} \N{EN DASH} {data.moment(last)}", class_="quiet"),
    )
    strip = tag("div", figures, class_="strip", tabindex="0", role="group", aria_label=f"Pictures of person {identity}")
    about = marks(data, [identity])
    return tag("article", title, strip, class_="card person", id=f"person-{identity}", **about)


def _timeline(data: RunData, stays: Mapping[int, Sequence[Visit]]) -> Markup:
    note = "When each camera saw whom. A bar is one stay, in the person's colour; it opens the video at that moment."
    inner = tag("div", timeline(data, stays), time_axis(data), class_="timeline")
    return join([tag("h2", "Time line"), tag("p", note, class_="note"), tag("div", inner, class_="card scroll")])


def _between(data: RunData, ways: Ways) -> Markup | None:
    if len(data.cameras) < 2:
        return None
    note = (
        "How often people went from one camera (row) to another (column), and the median time between. "
        "A negative time means that both saw the person at once; on the diagonal are returns."
    )
    table = matrix_table(list(data.cameras), ways)
    return join([tag("h2", "Between cameras"), tag("p", note, class_="note"), tag("div", table, class_="card scroll")])


def _counts(data: RunData) -> Markup:
    _, table = counts(data)
    note = "How many people each camera saw at a time."
    return join(
        [
            tag("h2", "Counts over time"),
            tag("p", note, class_="note"),
            tag("div", count_charts(table), time_axis(data), class_="card"),
        ]
    )


def _footer(data: RunData) -> Markup:
    versions = data.run.get("versions")
    version = versions.get("relaytrack") if isinstance(versions, dict) else None
    return join(
        [
            f"Made by RelayTrack{f' {version}' if version else ''}. ",
            "This page shows people: treat it as you treat the footage.",
        ]
    )


def _player() -> Markup:
    return tag(
        "dialog",
        tag("video", controls=True, playsinline=True, muted=True),
        tag("form", tag("span"), tag("button", "Close"), method="dialog"),
    )
