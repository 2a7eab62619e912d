"""`/api/v1/cameras`: list, add, try, change, pause, resume, remove; the newest picture."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError

from relaytrack.pipeline.config.schema import CameraConfig
from relaytrack.pipeline.errors import RelayTrackError, SourceError
from relaytrack.pipeline.server.access.addresses import check_address
from relaytrack.pipeline.server.api.camera_forms import Address, CameraChange, NewCamera
from relaytrack.pipeline.server.api.context import Operator, TheSite, Viewer, find_camera, waiting_for_cameras
from relaytrack.pipeline.server.descriptions import describe_camera, describe_tracks, revision_of
from relaytrack.pipeline.server.first_picture import take_picture
from relaytrack.pipeline.server.problems import ProblemError
from relaytrack.pipeline.server.site import Site
from relaytrack.reid.wording import plain_words

router = APIRouter(prefix="/cameras", tags=["cameras"])
_MOST_CORNERS = 64


def list_cameras(site: Site) -> list[dict[str, Any]]:
    """All cameras with state and figures."""
    snapshot, viewers = site.pipeline.status(), site.live.viewers()
    return [
        describe_camera(camera, snapshot.cameras.get(camera.name), snapshot, viewers.get(camera.name, 0))
        for camera in site.pipeline.cameras
    ]


def one_camera(site: Site, name: str) -> dict[str, Any]:
    """One camera.

    Raises:
        ProblemError: there is none of that name.
    """
    camera = find_camera(site, name)
    snapshot = site.pipeline.status()
    return describe_camera(camera, snapshot.cameras.get(name), snapshot, site.live.viewers().get(name, 0))


@router.get("")
def cameras(site: TheSite, _: Viewer) -> dict[str, Any]:
    """All cameras: settings, state, rate, age."""
    return {"cameras": list_cameras(site)}


@router.post("", status_code=201)
def add(site: TheSite, caller: Operator, new: NewCamera) -> dict[str, Any]:
    """Add a camera. One that does not answer stays as "waiting" and is tried again."""
    check_address(new.url, site.config.server)
    given = {**_given(new), "confined": _is_confined(new.url)}
    camera = _checked({key: value for key, value in given.items() if value is not None})
    with site.changing:
        name = site.pipeline.add_camera(camera)
        try:
            site.file.put_camera(name, given)
        except RelayTrackError:
            site.pipeline.remove_camera(name)
            raise
        site.audit.note(caller.name, "camera added", camera=name, url=camera.url)
    return one_camera(site, name)


@router.post("/test", response_class=Response, responses={200: {"content": {"image/jpeg": {}}}})
async def test(request: Request, site: TheSite, caller: Operator, address: Address) -> Response:
    """One picture of a camera that is not there yet, as JPEG."""

    def take() -> bytes:
        check_address(address.url, site.config.server)
        camera = _checked({"url": address.url, "transport": address.transport, "confined": _is_confined(address.url)})
        return take_picture(site.pipeline.config, camera)

    try:
        return Response(await waiting_for_cameras(request, take), media_type="image/jpeg")
    except SourceError as error:
        raise ProblemError(422, str(error).removeprefix("camera 'test': "), field="url") from None


@router.get("/{name}")
def camera(site: TheSite, _: Viewer, name: str) -> dict[str, Any]:
    """One camera."""
    return one_camera(site, name)


@router.patch("/{name}")
def change(site: TheSite, caller: Operator, name: str, changed: CameraChange) -> dict[str, Any]:
    """Change settings. The title, zones, lines and the floor change without interruption; others open it anew.

    The `name` stays as long as the camera does: people, recordings and events refer to it. `title` is what is shown.
    """
    with site.changing:
        before = find_camera(site, name)
        if changed.revision is not None and changed.revision != revision_of(before):
            raise ProblemError(409, "somebody else has changed this camera; look at it again", field="revision")
        given = _given(changed)
        if changed.url is not None:
            check_address(changed.url, site.config.server)
            given["confined"] = _is_confined(changed.url)
        else:
            given.pop("url", None)
        if "title" in given:
            _check_title(site, name, given)
        camera = _checked({**before.model_dump(), **given})
        with site.file.undone_on_error():
            site.file.put_camera(name, given)
            site.pipeline.change_camera(camera)
        site.audit.note(caller.name, "camera changed", camera=name, keys=sorted(given))
    return one_camera(site, name)


@router.post("/{name}/pause")
def pause(site: TheSite, caller: Operator, name: str) -> dict[str, Any]:
    """Take no frames until `resume`, also after a restart."""
    with site.changing:
        find_camera(site, name)
        with site.file.undone_on_error():
            site.file.put_camera(name, {"paused": True})
            site.pipeline.pause_camera(name)
        site.audit.note(caller.name, "camera paused", camera=name)
    return one_camera(site, name)


@router.post("/{name}/resume")
def resume(site: TheSite, caller: Operator, name: str) -> dict[str, Any]:
    """Take frames again."""
    with site.changing:
        find_camera(site, name)
        with site.file.undone_on_error():
            site.file.put_camera(name, {"paused": None})
            site.pipeline.resume_camera(name)
        site.audit.note(caller.name, "camera resumed", camera=name)
    return one_camera(site, name)


@router.delete("/{name}", status_code=204)
def remove(site: TheSite, caller: Operator, name: str) -> None:
    """Remove a camera; the people that it saw stay known."""
    with site.changing:
        find_camera(site, name)
        with site.file.undone_on_error():
            site.file.remove_camera(name)
            site.pipeline.remove_camera(name)
        site.audit.note(caller.name, "camera removed", camera=name)


@router.get("/{name}/snapshot.jpg", response_class=Response, responses={200: {"content": {"image/jpeg": {}}}})
async def snapshot(request: Request, site: TheSite, _: Viewer, name: str, drawn: bool = True) -> Response:
    """The next picture as JPEG, with boxes, numbers, zones and lines or, `drawn=false`, without."""
    find_camera(site, name)
    status = site.snapshot().cameras.get(name)
    comes = status is not None and status.state in ("opening", "running")
    data = await waiting_for_cameras(request, lambda: site.live.snapshot(name, drawn=drawn)) if comes else None
    if data is None:
        raise ProblemError(409, f"camera {name} gives no pictures now")
    return Response(data, media_type="image/jpeg")


@router.get("/{name}/tracks")
def tracks(site: TheSite, _: Viewer, name: str) -> dict[str, Any]:
    """Who is in a camera's last frame, with boxes."""
    find_camera(site, name)
    status = site.pipeline.status().cameras.get(name)
    if status is None or status.tracks is None:
        return {"camera": name, "time": None, "size": None, "people": []}
    return describe_tracks(status.tracks)


def _given(change: CameraChange) -> dict[str, Any]:
    """The settings that were really sent."""
    given = change.model_dump(mode="json", exclude_unset=True, exclude={"revision"})
    if not given.get("name", True):
        del given["name"]
    for key in ("zones", "lines"):
        if key in given and given[key] is None:
            given[key] = {}
    for key, default in (("offset", 0.0), ("moving", False)):
        if key in given and given[key] is None:
            given[key] = default
    for key in ("zones", "lines"):
        for name, corners in (given.get(key) or {}).items():
            if not name.strip() or len(name) > 64 or len(corners) > _MOST_CORNERS:
                raise ProblemError(
                    422, f"{key}: a name has 1 to 64 letters, a shape at most {_MOST_CORNERS} corners", field=key
                )
    return given


def _is_confined(url: str) -> bool:
    """Whether a camera that is added here must be kept from leading elsewhere: all but webcams."""
    return not url.startswith("webcam:")


def _check_title(site: Site, name: str, given: dict[str, Any]) -> None:
    """Refuse a title that another camera has; the camera's own name is no title.

    Raises:
        ProblemError: another camera is called so.
    """
    given["title"] = title = given["title"] or ""
    if title == name:
        given["title"] = title = ""
    for other in site.pipeline.cameras:
        if title and other.name != name and title in (other.name, other.title):
            raise ProblemError(409, f"another camera is called {title}", field="title")


def _checked(settings: dict[str, Any]) -> CameraConfig:
    """The settings as the engine takes them.

    Raises:
        ProblemError: one is of no use.
    """
    try:
        return CameraConfig.model_validate(settings)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or None
        message = plain_words(first)
        raise ProblemError(422, f"{field}: {message}" if field else message, field=field) from None


__all__ = ["list_cameras", "one_camera", "router"]
