"""The cameras of a run: a still of each scene, how long it ran and whom it saw."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

from relaytrack.pipeline.report.links import moment_link
from relaytrack.pipeline.report.markup import Markup, join, tag
from relaytrack.pipeline.report.still import stills
from relaytrack.pipeline.results.run_data import RunData
from relaytrack.pipeline.results.visits import Visit


def cameras(data: RunData, stays: Mapping[int, Sequence[Visit]]) -> Markup:
    """One card per camera: a still of its scene, how long it ran and whom it saw."""
    shown = stills(data)
    cards = []
    for camera, record in data.cameras.items():
        people = sum(any(stay.camera == camera for stay in person) for person in stays.values())
        facts = f"{people} {'person' if people == 1 else 'people'}, {record.frames:,} frames"
        if record.first is not None and record.last is not None:
            facts += f", {data.moment(record.first)} \N{EN DASH} {data.moment(record.last)}"
        picture = None
        if camera in shown:
            moment, still = shown[camera]
            source = "data:image/jpeg;base64," + base64.b64encode(still).decode()
            image = tag("img", src=source, alt=f"{camera} at {data.moment(moment)}", loading="lazy")
            picture = moment_link(data, camera, moment, image, class_="still")
        title = tag("h3", camera, title=camera)
        cards.append(tag("article", picture, title, tag("div", facts, class_="quiet"), class_="card camera"))
    note = "What each camera looks at, in the moment when it saw most people at once."
    if not shown:
        note = "Which cameras there were; without videos there are no pictures of their scenes."
    return join([tag("h2", "Cameras"), tag("p", note, class_="note"), tag("div", cards, class_="cameras")])
