"""Which hosts a confined camera may stand at: looked up once, checked, and then connected to by that address."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from relaytrack.pipeline.sources.base import ReadError

PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
"""The kinds of addresses that a confined camera can have, with their usual ports."""
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
Resolve = Callable[[str], Sequence[str]]


def resolve(host: str) -> Sequence[str]:
    """The IP addresses of a host; [] where nobody knows it."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def parts_of(url: str) -> tuple[str, str, int]:
    """The scheme, host and port of a network address.

    Raises:
        ReadError: it is none, or of a kind that cannot be confined.
    """
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme.lower(), parts.hostname, parts.port
    except ValueError:
        raise ReadError("not an address") from None
    if not scheme:
        raise ReadError("it is no network address")
    if scheme not in PORTS:
        raise ReadError(f"{scheme}: addresses can only stand in the site's file")
    if not host:
        raise ReadError("it names no host")
    return scheme, host, PORTS[scheme] if port is None else port


def checked_addresses(host: str, networks: Sequence[str] | None, *, look_up: Resolve = resolve) -> Sequence[str]:
    """The IP addresses of a host, all of them allowed.

    Args:
        host: a name or an IP address.
        networks: where cameras may stand; None: anywhere.
        look_up: finds a host's IP addresses.

    Returns:
        The addresses; [] where nobody knows the host.

    Raises:
        ReadError: one of them lies elsewhere, or no camera stands at such an address.
    """
    allowed = None if networks is None else [ipaddress.ip_network(network) for network in networks]
    try:
        found: Sequence[str] = [str(ipaddress.ip_address(host))]
    except ValueError:
        found = look_up(host)
    for text in found:
        address = ipaddress.ip_address(text.split("%")[0])
        address = _inner(address)
        if address.is_link_local or address.is_multicast or address.is_unspecified:
            raise ReadError("no camera stands at such an address")
        if allowed is not None and not any(address in network for network in allowed):
            raise ReadError("that host is not in a network of server.networks")
    return found


def _inner(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The IPv4 address that an IPv6 one leads to: mapped, 6to4 (RFC 3056) or NAT64 (RFC 6052); else itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
