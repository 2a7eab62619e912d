"""Events by HTTP: a JSON list in every POST, signed with HMAC-SHA256.

With a `secret`, the header `X-RelayTrack-Signature` is `sha256=` and the hexadecimal HMAC-SHA256 of the timestamp
(header `X-RelayTrack-Timestamp`, seconds since 1970), a dot and the body. Any answer 2xx means that the receiver has
the events.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from relaytrack.pipeline.plugins import Plugin
from relaytrack.pipeline.sinks.outgoing.base import DeliveryError, OutgoingSettings, OutgoingSink, filled
from relaytrack.pipeline.sinks.outgoing.spool import Message

_LONGEST_WAIT = 300.0  # seconds that a receiver may ask for
_REFUSED = (400, 413, 422)  # these events, unlike a wrong password or address, which somebody may put right


class WebhookSettings(OutgoingSettings):
    """Options of the sink `webhook`."""

    url: str = Field(min_length=1, repr=False, description="http:// or https://")
    secret: str | None = Field(default=None, min_length=1, repr=False, description="key of the signature")
    headers: dict[str, str] = Field(default={}, repr=False, description="further headers")
    batch: int = Field(default=50, ge=1, le=1000, description="events in one request at the most")

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        if not value.lower().startswith(("http://", "https://", "${")):
            raise ValueError("not an http or https address")
        return value


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirected POST would arrive as an empty GET."""

    def redirect_request(self, *_: Any) -> None:
        """Follow none."""


class Webhook:
    """Sends by HTTP POST.

    Args:
        url: where to.
        secret: key of the signature; None signs nothing.
        headers: further headers.
        batch: events in one request at the most.
        timeout: seconds without an answer that end a request.
    """

    def __init__(self, url: str, *, secret: str | None, headers: Mapping[str, str], batch: int, timeout: float) -> None:
        self.batch = batch
        self._url, self._secret, self._headers, self._timeout = url, secret, dict(headers), timeout
        self._opener = urllib.request.build_opener(_NoRedirect)

    def refresh(self) -> None:
        """There are no states."""

    def send(self, messages: Sequence[Message]) -> None:
        """Post the events.

        Raises:
            DeliveryError: no answer, or none of 2xx.
        """
        body = ("[" + ", ".join(message.body for message in messages) + "]").encode()
        stamp = str(int(time.time()))
        headers = {"Content-Type": "application/json", "User-Agent": "relaytrack", "X-RelayTrack-Timestamp": stamp}
        headers |= self._headers
        if self._secret is not None:
            headers["X-RelayTrack-Signature"] = signature(self._secret, stamp, body)
        try:
            request = urllib.request.Request(self._url, data=body, headers=headers, method="POST")
            with self._opener.open(request, timeout=self._timeout) as answer:
                answer.read(65536)
        except urllib.error.HTTPError as error:
            with error:
                pause = error.headers.get("Retry-After", "")
            wait = min(float(pause), _LONGEST_WAIT) if pause.isascii() and pause.isdecimal() else 0.0
            raise DeliveryError(f"answer {error.code}", refused=error.code in _REFUSED, pause=wait) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            shown = reason.strerror if isinstance(reason, OSError) and reason.strerror else type(reason).__name__
            raise DeliveryError(f"no answer ({shown})") from None

    def close(self) -> None:
        """Nothing is held open."""


def signature(secret: str, stamp: str, body: bytes) -> str:
    """The signature of a request; a receiver compares it with the header by `hmac.compare_digest`."""
    return "sha256=" + hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def create(settings: WebhookSettings, *, folder: Path | None) -> OutgoingSink:
    """Make the sink."""
    values = filled(settings, "webhook")
    chosen = {key: values[key] for key in ("secret", "headers", "batch", "timeout")}
    return OutgoingSink("webhook", Webhook(values["url"], **chosen), settings, folder)


PLUGIN: Plugin[OutgoingSink] = Plugin(WebhookSettings, create)
