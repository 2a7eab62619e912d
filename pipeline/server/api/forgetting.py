"""`/api/v1/forgetting`: how far the forgetting of people has come; their videos take a while."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from relaytrack.pipeline.errors import OutputError
from relaytrack.pipeline.results.requests import Request
from relaytrack.pipeline.server.api.context import Admin, Number, TheSite
from relaytrack.pipeline.server.problems import ProblemError
from relaytrack.pipeline.server.site import Site

router = APIRouter(prefix="/forgetting", tags=["people"])


def describe_forgetting(request: Request) -> dict[str, Any]:
    """One person who is to be forgotten; `state` is "running", "failed" (it is tried again), "done" or "refused"."""
    state = "running" if request.state in ("asked", "begun") else request.state
    error = request.answer if state in ("failed", "refused") else None
    return {"request": request.id, "person": int(request.wanted["person"]), "state": state, "error": error}


def list_forgetting(site: Site) -> list[dict[str, Any]]:
    """Those who are not forgotten everywhere yet."""
    return [describe_forgetting(request) for request in site.requests.open()]


@router.get("")
def open_requests(site: TheSite, _: Admin) -> dict[str, Any]:
    """Who is not forgotten everywhere yet."""
    return {"forgetting": list_forgetting(site)}


@router.get("/{request}")
def one_request(site: TheSite, _: Admin, request: Number) -> dict[str, Any]:
    """How far one request is."""
    try:
        return describe_forgetting(site.requests.get(request))
    except OutputError:
        raise ProblemError(404, "there is no such request") from None
