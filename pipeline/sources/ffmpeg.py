"""FFmpeg through PyAV: opening with time limits, its errors in plain words, its log kept off the screen."""

from __future__ import annotations

import errno
import re
import time
from typing import Any
from urllib.parse import urlsplit

import av
import av.error
import av.logging
from av.container import InputContainer

from relaytrack.pipeline.sources.base import EarlyEndError, LoginRefusedError, ReadError, RequestRefusedError
from relaytrack.pipeline.sources.hosts import resolve
from relaytrack.pipeline.sources.parts import FilePart

# A title in another encoding is no reason to refuse a video; from version 19 on PyAV thinks so too.
_LENIENT: dict[str, Any] = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
_RECEIVED = ("udp", "rtp")
"""Kinds of streams that are sent to a port of this machine: `udp://@:5000`."""
_ZONE = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://(?:[^/]*@)?\[[0-9A-Fa-f:.]+)%25")
_OF_OPENING = 0.8  # of the time limit; the rest is for the first picture of what is open
_TRIES = 4
_RETRY_PAUSE = 0.5  # seconds
_WORDS: tuple[tuple[type[BaseException], str], ...] = (
    (av.error.HTTPUnauthorizedError, "user name or password refused (401)"),
    (av.error.HTTPForbiddenError, "access forbidden (403)"),
    (av.error.HTTPNotFoundError, "no such stream on the server (404)"),
    (av.error.HTTPError, "the server answered with an error"),
    (av.error.HTTPClientError, "the server refused the request"),
    (av.error.ConnectionRefusedError, "connection refused"),
    (av.error.ConnectionResetError, "the server closed the connection"),
    (av.error.BrokenPipeError, "the server closed the connection"),
    (av.error.ExitError, "no answer in time"),
    (av.error.TimeoutError, "no answer in time"),
    (av.error.PermissionError, "permission denied"),
    (av.error.FileNotFoundError, "not found"),
    (av.error.EOFError, "the stream ended"),
    (av.error.InvalidDataError, "no video that can be read"),
    (av.error.DecoderNotFoundError, "no decoder for this video"),
    (av.error.ProtocolNotFoundError, "unknown kind of address"),
)


def silence_ffmpeg() -> None:
    """Keep FFmpeg's own log off the screen: its lines may hold addresses with passwords in them."""
    av.logging.set_level(None)
    av.logging.set_libav_level(av.logging.PANIC)


def explain(error: av.error.FFmpegError) -> str:
    """Say what an FFmpeg error means, without the address that its own text holds."""
    for kind, words in _WORDS:
        if isinstance(error, kind):
            return words
    return f"read error ({error.strerror or type(error).__name__})"


def _read_error(error: av.error.FFmpegError, transport: str | None) -> ReadError:
    """The reason why a stream was not opened; `transport` of an RTSP stream."""
    if error.errno == errno.EIO:
        return EarlyEndError(explain(error))
    if error.errno == errno.EPROTONOSUPPORT and transport is not None:
        other = "udp" if transport == "tcp" else "tcp"
        return ReadError(f"the server does not send over {transport.upper()}: set transport: {other}")
    if isinstance(error, av.error.HTTPUnauthorizedError | av.error.HTTPForbiddenError):
        return LoginRefusedError(explain(error))
    refused = isinstance(error, av.error.HTTPClientError) and not isinstance(error, av.error.HTTPNotFoundError)
    return (RequestRefusedError if refused else ReadError)(explain(error))


def _hung_up(error: av.error.FFmpegError) -> bool:
    """Whether a server ended the connection instead of answering; FFmpeg then says EPERM or "invalid data"."""
    kinds = (av.error.ConnectionResetError, av.error.BrokenPipeError, av.error.EOFError, av.error.InvalidDataError)
    return isinstance(error, kinds) or error.errno == errno.EPERM


def open_container(
    address: str | FilePart,
    *,
    format: str | None = None,
    options: dict[str, str] | None = None,
    open_timeout: float | None = None,
    read_timeout: float | None = None,
) -> InputContainer:
    """Open a file, address or device for reading.

    Args:
        address: what FFmpeg opens, credentials included; or a part of a file.
        format: FFmpeg's name of the input format where it cannot be told from the data.
        options: FFmpeg's options of that format.
        open_timeout: seconds in which it must open; after four fifths of them FFmpeg looks no longer at first packets.
        read_timeout: seconds in which each packet must come.

    Raises:
        ReadError: it cannot be opened. A server that hangs up while it is being opened is tried a few times more
            within the time limit.
    """
    silence_ffmpeg()
    limit = None if open_timeout is None else time.monotonic() + open_timeout
    hung_up = False
    for tries_left in reversed(range(_TRIES)):
        left = None if limit is None else limit - time.monotonic()
        try:
            opened: InputContainer = av.open(
                address,
                "r",
                format=format,
                container_options=options or {},
                timeout=None if left is None else (_OF_OPENING * left, read_timeout or left),
                **_LENIENT,
            )
            return opened
        except av.error.FFmpegError as error:
            if isinstance(error, av.error.EOFError) and not isinstance(address, str):
                raise ReadError("no picture in this video") from None
            left = 0.0 if limit is None else limit - time.monotonic()
            if open_timeout is not None and left < (1.05 - _OF_OPENING) * open_timeout:
                raise ReadError(
                    f"no answer in time (input.open_timeout: {open_timeout:g} s)"
                ) from None  # whatever FFmpeg calls it
            hung_up = _hung_up(error) or (hung_up and isinstance(error, av.error.ConnectionRefusedError))
            if not hung_up or not tries_left or left < 2 * _RETRY_PAUSE:
                # of a file, EPERM means what it says
                closed = limit is not None and error.errno == errno.EPERM
                raise (
                    ReadError("the server closed the connection")
                    if closed
                    else _read_error(error, (options or {}).get("rtsp_transport"))
                ) from None
        except (OSError, ValueError) as error:
            raise ReadError(f"cannot be opened ({type(error).__name__})") from None
        time.sleep(_RETRY_PAUSE)
    raise AssertionError("the last try returns or raises")


def check_address(url: str) -> str | None:
    """The host that a network address names; None where it names none and the stream is sent to this machine.

    Raises:
        ReadError: the address cannot be one: it has no host, or a wrong port.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port  # a wrong port raises
    except ValueError:
        raise ReadError("not a valid address") from None
    if not host and not (port and parts.scheme.lower() in _RECEIVED):
        raise ReadError("the address has no host")
    return host


def resolve_host(url: str) -> None:
    """Look up the host of a network address, because FFmpeg reports an unknown one as a bare I/O error.

    Raises:
        ReadError: see `check_address`; or the host is unknown.
    """
    host = check_address(url)
    if host and not resolve(host):
        raise ReadError("unknown host")


def sendable(url: str) -> str:
    """A network address as FFmpeg wants it.

    The zone of an IPv6 host is behind a plain % (RFC 6874 writes `%25`). Blanks are percent-encoded: an RTSP server
    reads an address with blanks only up to the first one.
    """
    return _ZONE.sub(r"\1%", url).replace(" ", "%20")
