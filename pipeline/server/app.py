"""The application: all routes, and the guard before them."""

from __future__ import annotations

from importlib.metadata import version

from anyio import CapacityLimiter
from fastapi import APIRouter, FastAPI
from fastapi.staticfiles import StaticFiles

from relaytrack.pipeline.server import metrics, probes, problems
from relaytrack.pipeline.server.access import login
from relaytrack.pipeline.server.access.bounds import Bounds
from relaytrack.pipeline.server.access.guard import Guard
from relaytrack.pipeline.server.access.uploads import SearchQueue
from relaytrack.pipeline.server.api import (
    cameras,
    doubts,
    event_socket,
    events,
    floor,
    forgetting,
    hls,
    live,
    people,
    recordings,
    search,
    status,
)
from relaytrack.pipeline.server.pages import STATIC, Pages
from relaytrack.pipeline.server.site import Site

_WAITING = 20  # threads that wait for cameras at the most
_LOGINS = 2  # passwords that are checked at the same time


def create_app(site: Site) -> FastAPI:
    """The application of a site; whoever serves it starts and ends the engine."""
    app = FastAPI(
        title="RelayTrack",
        version=version("relaytrack"),
        description="People over many cameras: who is where, who was where, and what happened.",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # it would lead to whatever host the request names
    )
    app.state.site = site
    app.state.waiting = CapacityLimiter(_WAITING)
    app.state.logins = CapacityLimiter(_LOGINS)
    app.state.searches = SearchQueue()
    app.state.pages = pages = Pages(site)
    problems.install(app)
    api = APIRouter(prefix="/api/v1")
    for module in (cameras, people, forgetting, doubts, search, events, event_socket, floor, recordings, status, live):
        api.include_router(module.router)
    api.include_router(people.pictures)
    api.include_router(login.router)
    app.include_router(api)
    app.include_router(login.forms)
    app.include_router(probes.router)
    app.include_router(hls.router)
    app.include_router(metrics.router)
    app.include_router(pages.router())
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    uploads = round(site.config.server.upload_mb * 1e6)
    app.add_middleware(Bounds, paths={"/api/v1/search": uploads, "/login": login.FORM})
    app.add_middleware(Guard, accounts=site.accounts, hosts=site.config.server.hosts)
    return app
