"""The filter by person and camera: its controls, and the marks that it goes by."""

from __future__ import annotations

from collections.abc import Sequence

from relaytrack.pipeline.report.markup import Markup, tag
from relaytrack.pipeline.results.run_data import RunData


def controls(data: RunData) -> Markup:
    """Controls that leave only some people or cameras on the page; the script shows them and does it."""
    field = tag("input", type="search", placeholder="numbers", aria_label="Show these people only", autocomplete="off")
    buttons = [
        tag("button", camera, type="button", data_cam=number, aria_pressed="false", title=camera)
        for number, camera in enumerate(data.cameras)
    ]
    return tag(
        "div",
        tag("label", "Only people ", field),
        tag("span", "in ", buttons, role="group", aria_label="Cameras") if len(buttons) > 1 else None,
        tag("output", aria_live="polite", class_="quiet"),
        class_="filter",
        hidden=True,
    )


def marks(data: RunData, people: Sequence[int]) -> dict[str, object]:
    """What the filter goes by: whom an element is about, and the numbers of the cameras that saw them."""
    numbers = {camera: number for number, camera in enumerate(data.cameras)}
    seen = {numbers[track.camera] for person in people for track in data.people[person] if track.camera in numbers}
    return {"data_ids": " ".join(map(str, people)), "data_cams": " ".join(map(str, sorted(seen)))}
