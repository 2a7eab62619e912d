"""`/live`, `/ready`, `/startup` for whoever watches over the service; they need no log-in and tell nothing else."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse

from relaytrack.pipeline.server.api.context import TheSite

router = APIRouter(include_in_schema=False)


@router.get("/live")
def live(site: TheSite) -> PlainTextResponse:
    """Whether the process should go on: the engine has not failed."""
    state = site.pipeline.status().state
    return _answer(state not in ("failed", "ended"), state)


@router.get("/ready")
def ready(site: TheSite) -> PlainTextResponse:
    """Whether the engine runs."""
    state = site.pipeline.status().state
    return _answer(state == "running", state)


@router.get("/startup")
def startup(site: TheSite) -> PlainTextResponse:
    """Whether the start is over."""
    state = site.pipeline.status().state
    return _answer(state not in ("new", "starting"), state)


def _answer(fine: bool, state: str) -> PlainTextResponse:
    return PlainTextResponse(f"{state}\n", 200 if fine else 503)
