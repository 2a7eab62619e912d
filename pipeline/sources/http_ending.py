"""Whether a video of a web server came to its end, where the server tells no length.

A server that simply closes the connection has sent all. One that sends in chunks ends with an empty one; FFmpeg reports
an end without it like the first. Which of the two the server is, its answer to one more request tells.
"""

from __future__ import annotations

import base64
import ssl
import urllib.error
import urllib.request
from http.client import HTTPException
from urllib.parse import unquote, urlsplit, urlunsplit

_PATIENCE = 3.0  # seconds


def was_cut(address: str) -> bool:
    """Whether the connection to `address`, which ended in the middle of a stream, was cut.

    True where the server sends in chunks, where nobody listens there any more, and where the new connection is cut as
    well; False also where that cannot be told.
    """
    try:
        parts = urlsplit(address)
        opener: list[urllib.request.BaseHandler] = [urllib.request.HTTPSHandler(context=_any_certificate())]
        headers = {"Range": "bytes=0-", "User-Agent": "Lavf"}
        if parts.username is not None:
            words = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            headers["Authorization"] = f"Basic {base64.b64encode(words.encode()).decode()}"
            opener.append(_StayThere())
        plain = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        request = urllib.request.Request(plain, headers=headers)
        with urllib.request.build_opener(*opener).open(request, timeout=_PATIENCE) as answer:
            return "chunked" in answer.headers.get("Transfer-Encoding", "").lower()
    except urllib.error.URLError as error:
        return isinstance(error.reason, ConnectionError)
    except ConnectionError:  # it was about to go
        return True
    except (OSError, ValueError, HTTPException):
        return False


def _any_certificate() -> ssl.SSLContext:
    """As FFmpeg connects: cameras sign their certificates themselves."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class _StayThere(urllib.request.HTTPRedirectHandler):
    """A password is sent to no other address."""

    def redirect_request(self, *_: object) -> None:
        """Follow none."""
