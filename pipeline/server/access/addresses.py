"""Which camera addresses may be added from outside, so that nobody can probe the server's network with it."""

from __future__ import annotations

import re

from relaytrack.pipeline.config.schema import ServerConfig
from relaytrack.pipeline.server.problems import ProblemError
from relaytrack.pipeline.sources.base import ReadError
from relaytrack.pipeline.sources.hosts import Resolve, checked_addresses, parts_of, resolve

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_HIDDEN = "***"


def check_address(url: str, settings: ServerConfig, *, look_up: Resolve = resolve) -> None:
    """Refuse a camera address that may not be added from outside.

    Args:
        url: the address as given.
        settings: the kinds of addresses and the networks that are allowed.
        look_up: finds a host's IP addresses.

    Raises:
        ProblemError: it is of another kind, names a file, takes a variable of the environment, or leads to a forbidden
            network.
    """
    if "${" in url:
        raise ProblemError(422, "url: variables can be used in the site's file only", field="url")
    if _HIDDEN in url:
        raise ProblemError(422, "url: it holds '***' where the password was; write the whole address", field="url")
    if any(ord(letter) < 33 or ord(letter) == 127 for letter in url):
        raise ProblemError(422, "url: it holds a blank or a control character", field="url")
    found = _SCHEME.match(url)
    scheme = found[1].lower() if found else ""
    allowed = ", ".join(settings.schemes)
    if scheme not in settings.schemes:
        what = f"{scheme}: addresses" if scheme else "files"
        raise ProblemError(422, f"url: {what} cannot be added here; allowed are {allowed}", field="url")
    if scheme == "webcam":
        if not re.fullmatch(r"webcam:\d{1,2}", url):
            raise ProblemError(422, "url: a webcam is webcam:0, webcam:1, ...", field="url")
        return
    _check_host(url, settings, look_up)


def _check_host(url: str, settings: ServerConfig, look_up: Resolve) -> None:
    try:
        _, host, _ = parts_of(url)
        found = checked_addresses(host, settings.networks, look_up=look_up)
    except ReadError as error:
        raise ProblemError(422, f"url: {error}", field="url") from None
    if not found and settings.networks is not None:
        raise ProblemError(422, "url: nobody knows that host", field="url")
