"""`/api/v1/search`: sightings that look like the person of a picture, or like somebody who is known."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Query, Request

from relaytrack.pipeline.records import Floats
from relaytrack.pipeline.server.access.uploads import SearchQueue, decode_picture
from relaytrack.pipeline.server.api.context import Number, TheSite, Viewer, When, WhichCamera, find_person
from relaytrack.pipeline.server.api.doubts import threshold_of
from relaytrack.pipeline.server.descriptions import color_of, ink_of, titles_of
from relaytrack.pipeline.server.problems import ProblemError
from relaytrack.pipeline.server.site import Site

router = APIRouter(tags=["search"])
Limit = Annotated[int, Query(ge=1, le=200)]


def find_alike(site: Site, looks: Floats, *, besides: int | None = None, **conditions: Any) -> list[dict[str, Any]]:
    """Sightings with their similarity (cosine, -1..1), the camera's title and the person's colour, best first."""
    titles = titles_of(site.pipeline.cameras)
    found = []
    for sighting in site.people.search(looks, **conditions):
        if sighting.identity != besides:
            color = color_of(sighting.identity, site.pipeline.colors)
            title = titles.get(sighting.camera, sighting.camera)
            found.append({"color": color, "ink": ink_of(color), "title": title, **asdict(sighting)})
    return found


@router.post("/search")
async def search(
    request: Request,
    site: TheSite,
    caller: Viewer,
    camera: WhichCamera = None,
    since: When = None,
    until: When = None,
    limit: Limit = 24,
) -> dict[str, Any]:
    """Sightings that look like the person in a picture, which is the request's body (JPEG, PNG or WebP).

    From the similarity `threshold` on two pictures count as one person.
    """

    def find() -> list[dict[str, Any]]:
        picture = decode_picture(data)
        site.audit.note(caller.name, "searched by picture", bytes=len(data), camera=camera)
        return find_alike(site, site.looks.of(picture), camera=camera, since=since, until=until, limit=limit)

    turns: SearchQueue = request.app.state.searches
    async with turns.enter() as one:
        data = await request.body()
        return {"matches": await to_thread.run_sync(find, limiter=one), "threshold": threshold_of(site)}


@router.get("/people/{identity}/alike")
def alike(
    site: TheSite, caller: Viewer, identity: Number, camera: WhichCamera = None, since: When = None, limit: Limit = 24
) -> dict[str, Any]:
    """Sightings of others that look like a person."""
    find_person(site, identity)
    looks = site.people.looks(identity)
    if looks is None:
        raise ProblemError(409, f"there is no picture of person {identity} that could be compared")
    site.audit.note(caller.name, "searched by person", identity=identity)
    found = find_alike(site, looks, besides=identity, camera=camera, since=since, limit=limit + 50)
    return {"matches": found[:limit], "threshold": threshold_of(site)}
