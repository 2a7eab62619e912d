"""Reads along what a camera's server answers, so that FFmpeg is never sent to another host.

Heads are taken apart as FFmpeg does it (`http.c`, `rtsp.c`): what it would read as a redirect ends the connection.
What is passed on of a head is what was judged: each line without the returns in it, and with one clean end.
"""

from __future__ import annotations

import re
from typing import Protocol

_MOST_LINE = 4000  # bytes; FFmpeg cuts lines off at 4095
_MOST_BODY = 1_000_000
_HTTP = re.compile(rb"(?:HTTP/\d\.\d|ICY) +(\d{3})(?: .*)?")
_RTSP = re.compile(rb"RTSP/\d\.\d +(\d{3})(?: .*)?|[A-Z_]+ .*")  # an answer, or a request of the server
_PLACE = re.compile(rb"(\s*)location(?=\s*:)", re.IGNORECASE)
_SOURCE = re.compile(rb"source(?==)", re.IGNORECASE)
_LENGTH = re.compile(rb"content-length:\s*(\d{1,15})\s*")

_KIND_OF_LIST = re.compile(rb"content-type\s*:.*(?:mpegurl|application/sdp|dash\+xml)", re.IGNORECASE)
_LIST = re.compile(rb"(?:[0-9a-fA-F]+\r\n)?\s*(?:#EXTM3U|v=0\r?\n|<MPD|<\?xml|ffconcat)")  # it may come in chunks
_NAMES_OTHERS = (
    "HLS, DASH and session descriptions name other addresses and are read only for cameras in the site's file, "
    "without confined: true"
)


class RedirectError(Exception):
    """A server leads to another address, or says what cannot be read along."""


class ReplyGuard(Protocol):
    """Passes on what a server says."""

    def feed(self, data: bytes) -> bytes:
        """What may be passed on of the server's next bytes.

        Raises:
            RedirectError: the server leads elsewhere; nothing more may be passed on.
        """


class _Head:
    """The head of an answer, line by line.

    Args:
        first: what its first line may be; group 1 is the status, of answers only.

    Attributes:
        length: bytes of the body, as far as the head has said.
        code: the status; None before it is known, and of requests.
    """

    def __init__(self, first: re.Pattern[bytes]) -> None:
        self.length = 0
        self.code: int | None = None
        self._first: re.Pattern[bytes] | None = first

    def take(self, line: bytes) -> tuple[bytes, bool]:
        """What is passed on of a line, and whether the head ends with it.

        Args:
            line: without the line feed at its end.

        Raises:
            RedirectError: it leads elsewhere, or FFmpeg might read it otherwise.
        """
        if len(line) > _MOST_LINE:
            raise RedirectError("the server's answer has an endless line")
        text = line.replace(b"\r", b"")
        end = b"\r\n" if line.endswith(b"\r") else b"\n"
        if b"\0" in text:
            raise RedirectError("the server's answer is damaged")
        if not text:
            return end, True
        if self._first is not None:
            self.code = self._begin(self._first, text)
            self._first = None
        elif text.lower().startswith(b"content-length:"):
            found = _LENGTH.fullmatch(text.lower())
            if found is None:
                raise RedirectError("the server's answer is damaged")
            self.length = int(found[1])
        elif text.lower().startswith(b"transport:"):
            text = _SOURCE.sub(b"origin", text)  # FFmpeg would send packets there
        else:
            text = _PLACE.sub(rb"\1x-place ", text)
        return text + end, False

    @staticmethod
    def _begin(first: re.Pattern[bytes], text: bytes) -> int | None:
        found = first.fullmatch(text)
        if found is None:
            raise RedirectError("the server's answer is damaged")
        code = None if found[1] is None else int(found[1])
        if code is not None and 300 <= code < 400:
            raise RedirectError(f"the server redirects to another address ({code})")
        if code is not None and code < 200:  # another head would follow
            raise RedirectError("the server's answer is damaged")
        return code


class HttpGuard:
    """Of an HTTP answer: its head is read line by line, its body passed on.

    FFmpeg is told to read no list of other addresses in it; here such a one is named as what it is.
    """

    def __init__(self) -> None:
        self._waiting = b""
        self._head: _Head | None = _Head(_HTTP)

    def feed(self, data: bytes) -> bytes:
        """See `ReplyGuard.feed`."""
        out = []
        data, self._waiting = self._waiting + data, b""
        while self._head is not None and b"\n" in data:
            line, data = data.split(b"\n", 1)
            if self._head.code == 200 and _KIND_OF_LIST.match(line):
                raise RedirectError(_NAMES_OTHERS)
            passed, ended = self._head.take(line)
            if ended:
                fine, self._head = self._head.code == 200, None
                if fine and _LIST.match(data):
                    raise RedirectError(_NAMES_OTHERS)
            out.append(passed)
        if self._head is None:
            out.append(data)
        else:
            self._waiting = _unfinished(data)
        return b"".join(out)


class RtspGuard:
    """Of an RTSP connection: answers, their bodies, and the packets between them."""

    def __init__(self) -> None:
        self._waiting = b""
        self._left = 0  # bytes of a packet or body that are still to come
        self._head = _Head(_RTSP)

    def feed(self, data: bytes) -> bytes:
        """See `ReplyGuard.feed`."""
        out = []
        data, self._waiting = self._waiting + data, b""
        while data:
            if self._left:
                piece, data = data[: self._left], data[self._left :]
                self._left -= len(piece)
                out.append(piece)
            elif data.lstrip(b"\r")[:1] == b"$":  # a packet may stand between any two lines
                at = data.index(b"$")
                if len(data) < at + 4:
                    break
                self._left = at + 4 + int.from_bytes(data[at + 2 : at + 4], "big")
            elif b"\n" in data:
                line, data = data.split(b"\n", 1)
                passed, ended = self._head.take(line)
                if self._head.length > _MOST_BODY:
                    raise RedirectError("the server's answer is endless")
                if ended:
                    self._left, self._head = self._head.length, _Head(_RTSP)
                out.append(passed)
            else:
                break
        self._waiting = _unfinished(data)
        return b"".join(out)


def _unfinished(data: bytes) -> bytes:
    """The beginning of a line whose rest is still to come.

    Raises:
        RedirectError: it is too long.
    """
    if len(data) > _MOST_LINE:
        raise RedirectError("the server's answer has an endless line")
    return data
