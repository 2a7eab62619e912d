"""What many routes need: the site, the caller, kinds of parameters, cameras and people by name."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, TypeVar

from anyio import to_thread
from fastapi import Depends, Query, Request, WebSocket
from pydantic import Field
from starlette.requests import HTTPConnection

from relaytrack.pipeline.config.schema import CameraConfig
from relaytrack.pipeline.server.access.guard import Caller, needs
from relaytrack.pipeline.server.problems import ProblemError
from relaytrack.pipeline.server.site import Site


async def site_of(connection: HTTPConnection) -> Site:
    """The site of the application; async, since a plain function would wait for a thread."""
    site: Site = connection.app.state.site
    return site


TheSite = Annotated[Site, Depends(site_of)]
Viewer = Annotated[Caller, needs("viewer")]
Operator = Annotated[Caller, needs("operator")]
Admin = Annotated[Caller, needs("admin")]
Answer = TypeVar("Answer")
MOST_NUMBER = 2**62
"""No identity, sighting or event has a larger number; the site's file could not hold it."""
Number = Annotated[int, Field(ge=0, le=MOST_NUMBER)]
WhichCamera = Annotated[str | None, Query(max_length=64)]
"""A camera's name that a list can be narrowed to."""
When = Annotated[float | None, Query(description="seconds since 1970", ge=0, le=1e11)]
"""A moment from which, or up to which, a list goes."""


async def waiting_for_cameras(request: Request, action: Callable[[], Answer]) -> Answer:
    """Do what may wait for a camera for seconds, on threads of its own: no other request waits for one of these."""
    return await to_thread.run_sync(action, limiter=request.app.state.waiting)


async def until_gone(socket: WebSocket) -> None:
    """Return when the other side of a WebSocket goes; what it sends is passed over."""
    with suppress(Exception):
        while (await socket.receive())["type"] != "websocket.disconnect":
            pass


def find_camera(site: Site, name: str) -> CameraConfig:
    """A camera's settings.

    Raises:
        ProblemError: there is none of that name.
    """
    for camera in site.pipeline.cameras:
        if camera.name == name:
            return camera
    raise ProblemError(404, "there is no camera of that name")


def find_person(site: Site, identity: int) -> None:
    """Nothing, if there is such a person.

    Raises:
        ProblemError: there is none.
    """
    if not site.people.people(identity=identity, limit=1):
        raise ProblemError(404, f"there is no person {identity}")
