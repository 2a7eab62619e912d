"""`/live/NAME.m3u8`: a camera's live video for players without Media Source Extensions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from relaytrack.pipeline.server.api.context import TheSite, Viewer, find_camera
from relaytrack.pipeline.server.problems import ProblemError

router = APIRouter(prefix="/live", tags=["live"])
_Number = Annotated[int, Path(ge=0, le=2**62)]


@router.get("/{name}.m3u8", response_class=Response)
async def playlist(site: TheSite, _: Viewer, name: str) -> Response:
    """The list of the newest segments (HTTP Live Streaming, fragmented mp4)."""
    find_camera(site, name)
    text = await site.hls.playlist(name)
    if text is None:
        raise ProblemError(503, f"camera {name} gives no pictures now", headers={"retry-after": "2"})
    return Response(text, media_type="application/vnd.apple.mpegurl")


@router.get("/{name}/head-{number}.mp4", response_class=Response)
async def head(site: TheSite, _: Viewer, name: str, number: _Number) -> Response:
    """The header of segments."""
    return _found(site.hls.head(name, number))


@router.get("/{name}/{number}.m4s", response_class=Response)
async def segment(site: TheSite, _: Viewer, name: str, number: _Number) -> Response:
    """One segment."""
    return _found(site.hls.segment(name, number))


def _found(data: bytes | None) -> Response:
    """The answer with a piece of video.

    Raises:
        ProblemError: it is gone.
    """
    if data is None:
        raise ProblemError(404, "that piece is gone; ask for the list again")
    return Response(data, media_type="video/mp4", headers={"cache-control": "private, max-age=30"})
