"""The cameras of a run: a still of each scene, how long it ran and whom it saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from relaytrack.pipeline.report.links import VideoLink, as_source, video_link
from relaytrack.pipeline.report.still import stills
from relaytrack.pipeline.results.run_data import RunData
from relaytrack.pipeline.results.visits import Visit


@dataclass(frozen=True, slots=True)
class CameraCard:
    """One camera; `source` is its still as a data address and `link` opens the video there, None without a video."""

    name: str
    facts: str
    link: VideoLink | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class CamerasSection:
    """The section."""

    cards: Sequence[CameraCard]
    pictures: bool


def cameras(data: RunData, stays: Mapping[int, Sequence[Visit]]) -> CamerasSection:
    """One card per camera: a still of its scene, how long it ran and whom it saw."""
    shown = stills(data)
    cards = []
    for camera, record in data.cameras.items():
        people = sum(any(stay.camera == camera for stay in person) for person in stays.values())
        facts = f"{people} {'person' if people == 1 else 'people'}, {record.frames:,} frames"
        if record.first is not None and record.last is not None:
            facts += f", {data.moment(record.first)} \N{EN DASH} {data.moment(record.last)}"
        if camera in shown:
            moment, still = shown[camera]
            cards.append(CameraCard(camera, facts, video_link(data, camera, moment), as_source(still)))
        else:
            cards.append(CameraCard(camera, facts))
    return CamerasSection(cards, bool(shown))
