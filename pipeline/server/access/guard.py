"""Looks at every request before anything else does: host, origin, who asks, forged requests, headers of the answer.

A path that is not listed in `PUBLIC` needs a known user or token; a route asks for more with `needs(role)`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from fastapi import Depends
from fastapi.responses import RedirectResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from relaytrack.pipeline.server.access.account_file import ROLES, Role
from relaytrack.pipeline.server.access.accounts import LOCAL, Accounts
from relaytrack.pipeline.server.problems import ProblemError, problem_response

COOKIE = "relaytrack_session"
CSRF_HEADER = "x-csrf-token"
PUBLIC = ("/login", "/live", "/ready", "/startup")
_LOCAL = {"localhost", "127.0.0.1", "::1"}
_SAFE = {"GET", "HEAD", "OPTIONS"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "connect-src 'self'; font-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes:
        name: the user, or their token; role: what they may do.
        via: how they are known: this computer itself, a log-in, or a token.
        csrf: what unsafe requests of a log-in must bring along.
        owner: the user behind a token.
    """

    name: str
    role: Role
    via: Literal["local", "session", "token"]
    csrf: str = ""
    owner: str = ""

    @property
    def user(self) -> str:
        """The user, also behind a token."""
        return self.owner or self.name

    def may(self, role: Role) -> bool:
        """Whether they may do what asks for a role."""
        return ROLES.index(self.role) >= ROLES.index(role)


def caller_of(connection: HTTPConnection) -> Caller:
    """Who asks; the guard has found out."""
    caller: Caller | None = connection.scope.get("caller")
    if caller is None:
        raise ProblemError(401, "log in first")
    return caller


def is_admitted(connection: HTTPConnection) -> bool:
    """Whether the caller would still be let in; streams check this from time to time."""
    return bool(connection.scope["is_admitted"]())


def needs(role: Role) -> Callable[..., Caller]:
    """A dependency: the caller, who must have a role."""

    async def check(connection: HTTPConnection) -> Caller:  # async: a plain function would wait for a thread
        caller = caller_of(connection)
        if not caller.may(role):
            raise ProblemError(403, f"this needs the role {role}; {caller.name} is {caller.role}")
        return caller

    check.__name__ = f"needs_{role}"
    dependency: Callable[..., Caller] = Depends(check)
    return dependency


class Guard:
    """The middleware.

    Args:
        app: what comes behind it.
        accounts: who there is. While there is nobody, everybody on this computer is an admin; the server listens to
            this computer only then.
        hosts: further names under which browsers may ask.
    """

    def __init__(self, app: ASGIApp, *, accounts: Accounts, hosts: Collection[str] = ()) -> None:
        self._app, self._accounts = app, accounts
        self._hosts = {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        secure = scope["scheme"] in ("https", "wss")

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                static = scope["path"].startswith("/static/")
                headers.setdefault("cache-control", "max-age=300" if static else "no-store")
                if secure:
                    headers.setdefault("strict-transport-security", "max-age=31536000")
                if "server" in headers:
                    del headers["server"]
            await send(message)

        try:
            scope["caller"] = self._admit(scope)
            scope["is_admitted"] = lambda: self._is_admitted(scope)
        except ProblemError as problem:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 4401 if problem.status == 401 else 4403})
            elif problem.status == 401 and _is_page(scope):
                await RedirectResponse("/login", 303)(scope, receive, answer)
            else:
                response = problem_response(problem.status, problem.detail, headers=problem.headers)
                await response(scope, receive, answer)
            return
        await self._app(scope, receive, answer)

    def _admit(self, scope: Scope) -> Caller | None:
        """Who asks; None for what everybody may see.

        Raises:
            ProblemError: the request is not let through.
        """
        self._accounts.refresh()
        headers = Headers(scope=scope)
        host = _host(headers.get("host", ""))
        if not (host in self._hosts or host in _LOCAL or (self._accounts and not self._hosts)):
            raise ProblemError(400, "this host name is not one of server.hosts")
        unsafe = scope["type"] == "websocket" or scope["method"] not in _SAFE
        if unsafe:
            self._check_origin(headers)
        caller = self._identify(scope, headers)
        if caller is not None and caller.via == "session" and unsafe and scope["type"] == "http":
            given = headers.get(CSRF_HEADER, "")
            if given != caller.csrf and scope["path"] != "/login":
                raise ProblemError(403, f"the header {CSRF_HEADER} is missing or wrong")
        if caller is None and scope["path"] not in PUBLIC and not scope["path"].startswith("/static/"):
            kind = "Basic" if _is_player(scope) else "Bearer"
            raise ProblemError(401, "log in first", headers={"www-authenticate": f'{kind} realm="relaytrack"'})
        return caller

    def _is_admitted(self, scope: Scope) -> bool:
        """Whether who asked would still be let in: sessions and tokens end while a stream goes on."""
        try:
            self._accounts.refresh()
            return self._identify(scope, Headers(scope=scope)) is not None
        except ProblemError:
            return False

    def _check_origin(self, headers: Headers) -> None:
        """Refuse what another site's page asks for.

        Raises:
            ProblemError: it does.
        """
        origin = headers.get("origin")
        if headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            raise ProblemError(403, "another site's page asks for this")
        if origin is None:
            return
        asked = urlsplit(origin)
        same = asked.netloc.lower() == headers.get("host", "").lower()
        if not same and (asked.hostname or "").lower() not in self._hosts:
            raise ProblemError(403, "another site's page asks for this")

    def _identify(self, scope: Scope, headers: Headers) -> Caller | None:
        kind, _, text = headers.get("authorization", "").partition(" ")
        if kind.lower() == "basic" and _is_player(scope):
            kind, text = "bearer", _basic_password(text)
        if kind.lower() == "bearer":
            token = self._accounts.token(text.strip())
            if token is None:
                raise ProblemError(401, "the token is unknown, revoked or over")
            bound = self._accounts.token_role(token)
            if bound is None:
                raise ProblemError(401, "the token is unknown, revoked or over")
            return Caller(f"{token.owner} (token {token.id})", bound, "token", owner=token.owner)
        if not self._accounts:
            return Caller(LOCAL, "admin", "local")
        session = self._accounts.session(HTTPConnection(scope).cookies.get(COOKIE))
        role = None if session is None else self._accounts.role(session.user)
        return None if session is None or role is None else Caller(session.user, role, "session", session.csrf)


def _host(value: str) -> str:
    """A Host header's name, without the port."""
    try:
        return (urlsplit(f"//{value}").hostname or "").lower()
    except ValueError:
        return ""


def _is_player(scope: Scope) -> bool:
    """Whether video for players is asked for; they can bring along a name and a password, and nothing else."""
    return scope["type"] == "http" and scope["method"] in _SAFE and bool(scope["path"].startswith("/live/"))


def _basic_password(text: str) -> str:
    """The password of HTTP's Basic scheme (RFC 7617); "" where there is none."""
    try:
        return base64.b64decode(text.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return ""


def _is_page(scope: Scope) -> bool:
    return scope["method"] == "GET" and "text/html" in Headers(scope=scope).get("accept", "")
