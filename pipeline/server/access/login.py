"""Logging in and out with a form, and who there is: `/login`, `/logout`, `/api/v1/users`, `/api/v1/tokens`."""

from __future__ import annotations

import math
from typing import Annotated, Any
from urllib.parse import parse_qs

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from relaytrack.pipeline.errors import ConfigError
from relaytrack.pipeline.server.access.account_file import Role, public
from relaytrack.pipeline.server.access.guard import COOKIE
from relaytrack.pipeline.server.api.context import Admin, TheSite
from relaytrack.pipeline.server.problems import ProblemError
from relaytrack.pipeline.server.site import Site
from relaytrack.pipeline.server.typed_line import Line, typed_line

forms = APIRouter(include_in_schema=False)
router = APIRouter(tags=["access"])
FORM = 10_000
"""Bytes of a log-in form at the most."""


class NewUser(BaseModel):
    """An account."""

    model_config = ConfigDict(extra="forbid")

    password: str | None = Field(default=None, max_length=1000, description="left out: the old one stays")
    role: Role


class NewToken(BaseModel):
    """A token for programs."""

    model_config = ConfigDict(extra="forbid")

    role: Role = "viewer"
    note: Line = Field(default="", max_length=200)
    days: float | None = Field(default=None, gt=0, le=3650, description="it ends after so many days")


def log_in(site: Site, name: str, password: str, address: str) -> str:
    """Check a password; returns the secret of a new session.

    Raises:
        ProblemError: it is wrong, or there were too many tries.
    """
    counted = name[:64]
    wait = site.logins.take(counted, address)
    if wait > 0:
        minutes = math.ceil(wait / 60)
        again = "a minute" if minutes == 1 else f"{minutes} minutes"
        raise ProblemError(429, f"too many tries; wait {again}", headers={"retry-after": str(math.ceil(wait))})
    if not site.accounts.check(name, password):
        site.audit.note(typed_line(name)[:64], "log-in refused", address=address)
        raise ProblemError(401, "the name or the password is wrong")
    site.logins.passed(counted, address)
    site.audit.note(name, "logged in", address=address)
    return site.accounts.open_session(name)[0]


@forms.post("/login")
async def login(request: Request) -> Response:
    """The form of the log-in page."""
    site: Site = request.app.state.site
    body = await request.body()
    try:
        fields = parse_qs(body.decode(), max_num_fields=10)
    except ValueError:
        raise ProblemError(400, "not a log-in form") from None
    address = request.client.host if request.client else ""
    name, password = fields.get("name", [""])[0], fields.get("password", [""])[0]
    try:
        turns: CapacityLimiter = request.app.state.logins  # a check takes 64 MiB: not 40 of them at once
        secret = await to_thread.run_sync(log_in, site, name, password, address, limiter=turns)
    except ProblemError as problem:
        pages = request.app.state.pages
        return pages.login(request, problem, typed_line(name)[:64])  # type: ignore[no-any-return]
    response = RedirectResponse("/", 303)
    response.set_cookie(
        COOKIE,
        secret,
        max_age=round(site.config.server.session_hours * 3600),
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return response


@router.post("/logout", status_code=204)
def logout(request: Request, site: TheSite) -> Response:
    """End the session."""
    site.accounts.close_session(request.cookies.get(COOKIE))
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response


@router.get("/users")
def users(site: TheSite, _: Admin) -> dict[str, Any]:
    """All accounts, without passwords."""
    return {"users": [{"name": account.name, "role": account.role} for account in site.accounts.users()]}


@router.put("/users/{name}")
def put_user(site: TheSite, caller: Admin, name: str, user: NewUser) -> dict[str, Any]:
    """Add an account or change one; the first one must be an admin."""
    try:
        site.accounts.set_user(name, user.password, user.role)
    except ConfigError as error:
        field = "password" if "password" in str(error) else "role" if "admin" in str(error) else "name"
        raise ProblemError(422, str(error), field=field) from None
    site.audit.note(caller.name, "user set", name=name, role=user.role)
    return {"name": name, "role": user.role}


@router.delete("/users/{name}", status_code=204)
def remove_user(site: TheSite, caller: Admin, name: str) -> None:
    """Remove an account, its sessions and tokens."""
    if site.accounts.role(name) is None:
        raise ProblemError(404, "there is no user of that name")
    site.accounts.remove_user(name)
    site.audit.note(caller.name, "user removed", name=name)


@router.get("/tokens")
def tokens(site: TheSite, _: Admin) -> dict[str, Any]:
    """All tokens; the texts themselves are kept nowhere."""
    return {"tokens": [public(token) for token in site.accounts.tokens()]}


@router.post("/tokens", status_code=201)
def add_token(site: TheSite, caller: Admin, new: NewToken) -> dict[str, Any]:
    """Make a token; its text is in this answer only."""
    text, token = site.accounts.add_token(caller.user, new.role, new.note, new.days)
    site.audit.note(caller.name, "token made", token=token.id, role=token.role)
    return {**public(token), "token": text}


@router.delete("/tokens/{number}", status_code=204)
def revoke(site: TheSite, caller: Admin, number: Annotated[str, Field(max_length=16)]) -> None:
    """Make a token invalid."""
    if not site.accounts.revoke(number):
        raise ProblemError(404, "there is no such token")
    site.audit.note(caller.name, "token revoked", token=number)
