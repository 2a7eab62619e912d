"""Which camera addresses may be added from outside, so that nobody can probe the server's network with it."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from relaytrack.pipeline.config.schema import ServerConfig
from relaytrack.pipeline.server.problems import ProblemError

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_HIDDEN = "***"
Resolve = Callable[[str], Sequence[str]]


def resolve(host: str) -> Sequence[str]:
    """The IP addresses of a host; [] where nobody knows it."""
    try:
        return [str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError):
        return []


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
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ProblemError(422, "url: not an address", field="url") from None
    if not host:
        raise ProblemError(422, "url: it names no host", field="url")
    allowed = None if settings.networks is None else [ipaddress.ip_network(network) for network in settings.networks]
    try:
        found: Sequence[str] = [str(ipaddress.ip_address(host))]
    except ValueError:
        found = look_up(host)
        if not found and allowed is not None:
            raise ProblemError(422, "url: nobody knows that host", field="url") from None
    for text in found:
        address = ipaddress.ip_address(text.split("%")[0])
        mapped = getattr(address, "ipv4_mapped", None)
        address = mapped or address
        if address.is_link_local or address.is_multicast or address.is_unspecified:
            raise ProblemError(422, "url: no camera stands at such an address", field="url")
        if allowed is not None and not any(address in network for network in allowed):
            raise ProblemError(422, "url: that host is not in a network of server.networks", field="url")
