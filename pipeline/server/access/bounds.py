"""Bounds of a request's body, in bytes and in seconds, before any route reads it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from relaytrack.pipeline.server.problems import problem_response

BODY = 262_144
"""Bytes of a body at the most, where a path has no bound of its own."""
SECONDS = 30.0
"""In which a body must have come."""


class Bounds:
    """The middleware.

    Args:
        app: what comes behind it.
        paths: bytes at the most, by path, where it is not `BODY`.
    """

    def __init__(self, app: ASGIApp, *, paths: Mapping[str, int]) -> None:
        self._app, self._paths = app, dict(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = self._paths.get(scope["path"], BODY)
        too_large = f"a request to this address may have {most / 1e6:g} MB at the most"
        told = Headers(scope=scope).get("content-length", "0")
        if not told.isdecimal() or int(told) > most:
            await problem_response(413, too_large)(scope, receive, send)
            return
        deadline = asyncio.get_running_loop().time() + SECONDS
        had, whole = 0, False

        async def bounded() -> Message:
            nonlocal had, whole
            if whole:  # what comes now is only that the client goes
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, f"the request did not come within {SECONDS:g} seconds") from None
            had += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if had > most:
                raise HTTPException(413, too_large)
            return message

        await self._app(scope, bounded, send)
