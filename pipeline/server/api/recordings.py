"""`/api/v1/runs` and `/api/v1/recordings`: what is on the disk, and the video of a moment."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query
from fastapi.responses import FileResponse, Response
from starlette.requests import Request

from relaytrack.pipeline.server.api.context import TheSite, Viewer, When, WhichCamera
from relaytrack.pipeline.server.byte_ranges import ranged, streamed
from relaytrack.pipeline.server.problems import ProblemError
from relaytrack.pipeline.server.recorded_files import LocalFile
from relaytrack.pipeline.server.recordings import Moment, NotRecordedError
from relaytrack.pipeline.server.site import Site

router = APIRouter(tags=["recordings"])
Camera = Annotated[str, Query(max_length=64)]
At = Annotated[float, Query(description="seconds since 1970", ge=0, le=1e11)]
_VIDEO: dict[int | str, dict[str, Any]] = {200: {"content": {"video/mp4": {}}}, 206: {"content": {"video/mp4": {}}}}


@router.get("/runs")
def runs(site: TheSite, _: Viewer) -> dict[str, Any]:
    """The starts of this site that left files, newest first: when, which cameras, how much."""
    return {"recording": site.recordings.enabled, "runs": site.recordings.describe_runs()}


@router.get("/recordings")
def recordings(
    site: TheSite,
    _: Viewer,
    camera: WhichCamera = None,
    since: When = None,
    until: When = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
) -> dict[str, Any]:
    """The video files that show something between two moments, oldest first; the last `limit` of them."""
    found = site.recordings.find(camera=camera, since=since, until=until)[-limit:]
    return {
        "recordings": [
            {
                "run": one.run,
                "camera": one.camera,
                "start": one.start,
                "end": one.end,
                "writing": site.recordings.is_running(one),
                "bytes": site.recordings.size(one),
                "video": f"/api/v1/recordings/{one.run}/{one.camera}/{one.path.name}",
            }
            for one in found
        ]
    }


@router.get("/recordings/moment")
def moment(site: TheSite, caller: Viewer, camera: Camera, at: At) -> dict[str, Any]:
    """Where a camera's moment can be seen: a clip with its place in it, and the whole file.

    While the moment is still being written the answer is 503 with `Retry-After`.
    """
    found = _find(site, camera, at)
    one = found.recording
    site.audit.note_once(caller.name, "recording played", camera=camera, at=at)
    return {
        "camera": camera,
        "title": next((known.title for known in site.pipeline.cameras if known.name == camera), "") or camera,
        "clip": f"/api/v1/recordings/clip.mp4?{urlencode({'camera': camera, 'at': at})}",
        "start": round(one.start + found.clip.start, 3),
        "end": round(one.start + found.clip.end, 3),
        "offset": round(found.clip_offset, 3),
        "video": f"/api/v1/recordings/{one.run}/{one.camera}/{one.path.name}",
        "video_offset": round(found.offset, 3),
        "writing": site.recordings.is_running(one),
    }


@router.get("/recordings/clip.mp4", response_class=Response, responses=_VIDEO)
def clip(request: Request, site: TheSite, caller: Viewer, camera: Camera, at: At) -> Response:
    """Half a minute of a camera's recording around a moment, as mp4; byte ranges can be asked for."""
    found = _find(site, camera, at)
    site.audit.note_once(caller.name, "recording played", camera=camera, at=at)
    return ranged(request.headers.get("range"), found.clip.data, "video/mp4")


@router.get("/recordings/{run}/{camera}/{name}.mp4", response_class=FileResponse, responses=_VIDEO)
def video(
    request: Request,
    site: TheSite,
    caller: Viewer,
    run: Annotated[str, Path(max_length=64)],
    camera: Annotated[str, Path(max_length=64)],
    name: Annotated[str, Path(max_length=64)],
) -> Response:
    """One whole file, as far as it is written; byte ranges can be asked for."""
    found = site.recordings.whole(run, camera, name)
    if found is None:
        raise ProblemError(404, "there is no such recording")
    site.audit.note_once(caller.name, "recording read", camera=camera, file=f"{run}/{name}")
    if not isinstance(found, LocalFile):
        return streamed(request.headers.get("range"), found.size, found.read, "video/mp4")
    return FileResponse(
        found.path, media_type="video/mp4", filename=f"{camera}_{name}.mp4", content_disposition_type="inline"
    )


def _find(site: Site, camera: str, at: float) -> Moment:
    """Where a moment can be seen.

    Raises:
        ProblemError: nowhere, or not yet.
    """
    try:
        return site.recordings.at(camera, at)
    except NotRecordedError as error:
        if error.again is None:
            raise ProblemError(404, str(error)) from None
        raise ProblemError(503, str(error), headers={"retry-after": f"{error.again:.0f}"}) from None
