"""Errors as RFC 9457 says: `application/problem+json` with a title, one sentence, and the field that is wrong."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from relaytrack.pipeline.config.urls import one_line, redact_url
from relaytrack.pipeline.errors import RelayTrackError
from relaytrack.reid.wording import plain_words

LOG = logging.getLogger("relaytrack.server")
_TITLES = {
    400: "Bad request",
    401: "Log in first",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    408: "Too slow",
    409: "Conflict",
    413: "Too large",
    415: "Unsupported media type",
    422: "Invalid value",
    429: "Too many tries",
    500: "Server error",
    503: "Not ready",
}


class ProblemError(Exception):
    """Something that the caller can mend.

    Args:
        status: the HTTP status.
        detail: one sentence.
        field: the name of the field that is wrong.
        headers: further headers of the answer.
    """

    def __init__(
        self, status: int, detail: str, *, field: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.field, self.headers = status, detail, field, headers


def problem_response(
    status: int, detail: str, *, field: str | None = None, headers: dict[str, str] | None = None
) -> JSONResponse:
    """The answer itself; credentials of addresses never get into it."""
    content: dict[str, Any] = {
        "type": "about:blank",
        "title": _TITLES.get(status, "Error"),
        "status": status,
        "detail": redact_url(detail),
    }
    if field:
        content["field"] = field
    return JSONResponse(content, status, headers=headers, media_type="application/problem+json")


_WORDS = {"Not Found": "there is nothing at this address", "Method Not Allowed": "this address cannot be used so"}
"""Instead of what the framework says."""
_DATA = ("/api/", "/static/", "/metrics")
"""What begins so is asked for by programs, also by the page's own."""


def is_page(request: Request) -> bool:
    """Whether somebody's browser asks for a page."""
    asked = request.method == "GET" and "text/html" in request.headers.get("accept", "")
    return asked and not request.url.path.startswith(_DATA)


def install(app: FastAPI) -> None:
    """Let every error of the application come out as a problem; whoever asked for a page gets a page that says it."""

    def answer(
        request: Request, status: int, detail: str, *, field: str | None = None, headers: dict[str, str] | None = None
    ) -> Response:
        if is_page(request):
            shown: Response = request.app.state.pages.problem(
                request, status, _TITLES.get(status, "Error"), redact_url(detail)
            )
            shown.headers.update(headers or {})
            return shown
        return problem_response(status, detail, field=field, headers=headers)

    async def ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, ProblemError)
        return answer(request, error.status, error.detail, field=error.field, headers=error.headers)

    async def users(request: Request, error: Exception) -> Response:
        return answer(request, 409, one_line(error))

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        where = [str(part) for part in first["loc"] if part not in ("body", "query", "path", "header")]
        message = plain_words(first)
        field = ".".join(where) or ("body" if first["loc"][:1] == ("body",) else None)
        return answer(request, 422, f"{field}: {message}" if field else message, field=field)

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        detail = _WORDS.get(str(error.detail), str(error.detail))
        return answer(request, error.status_code, detail, headers=dict(error.headers or {}))

    async def unexpected(_: Request, error: Exception) -> JSONResponse:
        LOG.error("a request failed: %s", type(error).__name__, exc_info=error)
        return problem_response(500, "something went wrong here; the log says more")

    app.add_exception_handler(ProblemError, ours)
    app.add_exception_handler(RelayTrackError, users)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, unexpected)
