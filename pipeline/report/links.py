"""Pieces that several sections share: a person's chip and links into the videos."""

from __future__ import annotations

from relaytrack.pipeline.render.palette import ink_on
from relaytrack.pipeline.report.markup import Markup, link, tag
from relaytrack.pipeline.results.run_data import RunData


def colors(data: RunData, identity: int) -> str:
    """CSS of a person's colours, the ones of the videos."""
    color = data.colors.of(identity)
    return f"background:rgb{color};color:rgb{ink_on(color)}"


def chip(data: RunData, identity: int, *, linked: bool = True) -> Markup:
    """A person's number on their colour, by default as a link to their card."""
    style = colors(data, identity)
    if linked:
        return tag("a", identity, class_="chip", style=style, href=f"#person-{identity}")
    return tag("span", identity, class_="chip", style=style)


def moment_link(data: RunData, camera: str, time: float, content: Markup, **attributes: object) -> Markup:
    """A link that opens the camera's video at a moment; without a video the content alone."""
    found = data.video_at(camera, time)
    title = f"{camera} at {data.moment(time)}"
    if found is None:
        return tag("span", content, title=title, **attributes)
    file, second = found
    href = link(file, f"t={second:.1f}")
    return tag(
        "a", content, href=href, title=title, data_at=f"{second:.1f}", target="_blank", rel="noopener", **attributes
    )
