"""The pages: HTML made here from templates; scripts and styles are files of ours, nothing comes from elsewhere."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from relaytrack.pipeline.events.schema import EVENT_TYPES
from relaytrack.pipeline.server.access.guard import Caller
from relaytrack.pipeline.server.api.cameras import list_cameras, one_camera
from relaytrack.pipeline.server.api.context import Number, TheSite, Viewer, WhichCamera
from relaytrack.pipeline.server.api.doubts import doubts_about, threshold_of
from relaytrack.pipeline.server.api.forgetting import list_forgetting
from relaytrack.pipeline.server.api.people import list_people, one_person
from relaytrack.pipeline.server.api.status import describe_site
from relaytrack.pipeline.server.count_history import count_history
from relaytrack.pipeline.server.descriptions import color_of, ink_of, titles_of
from relaytrack.pipeline.server.event_log import StoredEvent
from relaytrack.pipeline.server.problems import ProblemError
from relaytrack.pipeline.server.settings import settings_of
from relaytrack.pipeline.server.site import Site
from relaytrack.pipeline.server.strip import strip_of
from relaytrack.pipeline.server.walks import walks_of, with_usual_times

HERE = Path(__file__).resolve().parent
STATIC = HERE / "static"
_MOST_WALKS = 12  # that are shown, the newest
_MOST_ARRIVALS = 5
_KINDS = (*EVENT_TYPES, "watched", "forgetting_failed")


class Pages:
    """Fills in the templates for one site."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {
            "moment": _moment,
            "epoch": lambda date: datetime.fromisoformat(date).timestamp(),
            "iso": _iso,
            "bytes": _bytes,
            "duration": _duration,
            "color": self._color,
            "shown": self._shown,
        }
        self._templates.globals["ink"] = self._ink

    def _color(self, identity: int) -> str:
        """A person's colour, that of their box."""
        return color_of(identity, self._site.pipeline.colors)

    def _shown(self, camera: str) -> str:
        """What a camera is called."""
        return titles_of(self._site.pipeline.cameras).get(camera, camera)

    def _ink(self, identity: int) -> str:
        """Dark or light letters, whichever can be read on a person's colour."""
        return ink_of(self._color(identity))

    def show(self, template: str, caller: Caller | None, *, code: int = 200, **values: Any) -> HTMLResponse:
        """A page."""
        values = {"site_name": self._site.config.server.name, "caller": caller, "page": template, **values}
        return HTMLResponse(self._templates.get_template(f"{template}.html").render(values), code)

    def problem(self, request: Request, code: int, title: str, detail: str) -> HTMLResponse:
        """A page that says what is wrong."""
        section = request.url.path.split("/")[1]
        back = f"/{section}" if section in ("people", "cameras", "events") else "/"
        caller = request.scope.get("caller")
        return self.show("error", caller, code=code, problem_title=title, detail=detail, back=back)

    def login(self, request: Request, problem: ProblemError | None = None, name: str = "") -> Response:
        """The log-in page; `name` as it was tried."""
        if problem is None and (request.scope.get("caller") or not self._site.accounts):
            return RedirectResponse("/", 303)
        return self.show(
            "login",
            None,
            code=200 if problem is None else problem.status,
            error=None if problem is None else problem.detail,
            name=name,
        )

    def router(self) -> APIRouter:
        """The routes of all pages."""
        router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
        show = self.show

        @router.get("/")
        def live(site: TheSite, caller: Viewer) -> Response:
            latest = [
                _shown(event) for event in site.events.find(kinds=["enter"], limit=_MOST_ARRIVALS, newest_first=True)
            ]
            return show("live", caller, cameras=list_cameras(site), status=describe_site(site), arrivals=latest)

        @router.get("/people")
        def people(site: TheSite, caller: Viewer, camera: WhichCamera = None) -> Response:
            found = list_people(site, camera=camera or None)
            names = [one.name for one in site.pipeline.cameras]
            forgetting = list_forgetting(site) if caller.may("admin") else []
            return show("people", caller, people=found, cameras=names, camera=camera or "", forgetting=forgetting)

        @router.get("/people/{identity}")
        def person(site: TheSite, caller: Viewer, identity: Number) -> Response:
            found = one_person(site, identity)
            others = [other for other in list_people(site) if other["identity"] != identity]
            walks = with_usual_times(site.store, identity, walks_of(found["sightings"]))
            return show(
                "person",
                caller,
                person=found,
                strip=strip_of(found["sightings"]),
                walks=walks[:_MOST_WALKS],
                doubts=doubts_about(site, identity),
                threshold=threshold_of(site),
                others=others,
            )

        @router.get("/search")
        def search(site: TheSite, caller: Viewer) -> Response:
            return show("search", caller, cameras=[one.name for one in site.pipeline.cameras])

        @router.get("/events")
        def events(
            site: TheSite,
            caller: Viewer,
            kind: str = "",
            camera: Annotated[str, Query(max_length=64)] = "",
            before: Number | None = None,
            hours: Annotated[int, Query(ge=1, le=168)] = 1,
        ) -> Response:
            now = time.time()
            histories = count_history(site.store, now - 3600 * hours, now, 75 * hours)  # 48 steps
            found = site.events.find(
                kinds=[kind] if kind in _KINDS else (),
                camera=camera or None,
                before=before,
                limit=100,
                newest_first=True,
            )
            shown = [_shown(event) for event in found]
            names = [one.name for one in site.pipeline.cameras]
            counts = site.pipeline.status().zones
            return show(
                "events",
                caller,
                events=shown,
                kinds=_KINDS,
                kind=kind,
                camera=camera,
                cameras=names,
                counts=counts,
                recording=site.recordings.enabled,
                histories=histories,
                hours=hours,
            )

        @router.get("/map")
        def floor_map(site: TheSite, caller: Viewer) -> Response:
            return show("map", caller, calibrated=site.floor.calibrated, since=site.floor.since())

        @router.get("/cameras")
        def cameras(site: TheSite, caller: Viewer) -> Response:
            return show("cameras", caller, cameras=list_cameras(site), schemes=site.config.server.schemes)

        @router.get("/cameras/{name}")
        def camera(site: TheSite, caller: Viewer, name: str) -> Response:
            return show("camera", caller, camera=one_camera(site, name), schemes=site.config.server.schemes)

        @router.get("/system")
        def system(site: TheSite, caller: Viewer) -> Response:
            admin = caller.may("admin")
            return show(
                "system",
                caller,
                status=describe_site(site),
                cameras=list_cameras(site),
                users=site.accounts.users() if admin else [],
                tokens=site.accounts.tokens() if admin else [],
                audit=site.audit.recent(30) if admin else [],
                settings=settings_of(site) if admin else [],
                log=site.log.recent(100) if admin else [],
            )

        @router.get("/docs")
        def docs(request: Request, caller: Viewer) -> Response:
            return show("docs", caller, api=request.app.openapi())

        @router.get("/login")
        def login(request: Request) -> Response:
            return self.login(request)

        return router


def _shown(event: StoredEvent) -> dict[str, Any]:
    """An event with the moment at which it happened (`at`), which is a little before it was noted."""
    content = json.loads(event.data)
    date = content.get("date")
    at = datetime.fromisoformat(date).timestamp() if date else event.epoch
    return {"grounds": None, "score": None, **content, "epoch": event.epoch, "at": at}


def _iso(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _moment(epoch: float) -> str:
    """As it stands until the page's script has put in the local time."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%d %b %H:%M:%S UTC")


def _duration(seconds: float) -> str:
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"
