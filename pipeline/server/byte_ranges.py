"""Answers to requests for a part of some bytes (RFC 9110, 14): players seek with them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from fastapi.responses import Response, StreamingResponse

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


def ranged(asked: str | None, data: bytes, media_type: str) -> Response:
    """The answer to a request for `data`.

    Args:
        asked: the header `Range`; several ranges at once, and what is no range, get all of it.
        data: the whole.
        media_type: what it is.
    """
    return streamed(asked, len(data), lambda start, end: iter((data[start:end],)), media_type)


def streamed(asked: str | None, size: int, read: Callable[[int, int], Iterator[bytes]], media_type: str) -> Response:
    """The same for what is read while it is sent.

    Args:
        asked: as of `ranged`.
        size: bytes of the whole.
        read: gives the bytes from one place to before another, piece by piece.
        media_type: what it is.
    """
    headers = {"accept-ranges": "bytes", "cache-control": "private, max-age=60"}
    found = None if asked is None else _RANGE.fullmatch(asked.strip())
    if found is None or not any(found.groups()):
        headers["content-length"] = str(size)
        return StreamingResponse(read(0, size), media_type=media_type, headers=headers)
    if found[1]:
        first = int(found[1])
        last = min(int(found[2]), size - 1) if found[2] else size - 1
    else:  # the last so many bytes
        first, last = max(0, size - int(found[2])), size - 1
    if first > last:
        return Response(status_code=416, headers={**headers, "content-range": f"bytes */{size}"})
    headers |= {"content-range": f"bytes {first}-{last}/{size}", "content-length": str(last + 1 - first)}
    return StreamingResponse(read(first, last + 1), 206, media_type=media_type, headers=headers)
