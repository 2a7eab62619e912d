"""Reads along what a camera's server answers, so that FFmpeg is never sent to another host.

Heads are taken apart as FFmpeg does it (`http.c`, `rtsp.c`): what it would read as a redirect ends the connection.
"""

from __future__ import annotations

import re
from typing import Protocol

_MOST_LINE = 8192
_MOST_BODY = 1_000_000
_STATUS = re.compile(rb"\S*\s+[+-]?(\d{1,15})")
_PLACE = re.compile(rb"(\s*)location(?=\s*:)", re.IGNORECASE)
_SOURCE = re.compile(rb"source(?==)", re.IGNORECASE)
_LENGTH = re.compile(rb"content-length:\s*(\d{1,15})\s*")


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

    Attributes:
        length: bytes of the body, as far as the head has said.
    """

    def __init__(self) -> None:
        self.length = 0
        self._first = True

    def take(self, line: bytes) -> bytes | None:
        """What is passed on of a line (without its end); None where the head ends with it.

        Raises:
            RedirectError: it leads elsewhere, or FFmpeg might read it otherwise.
        """
        text = line.replace(b"\r", b"")
        if not text:
            return None
        if b"\0" in text:
            raise RedirectError("the server's answer is damaged")
        if self._first:
            self._first = False
            code = _STATUS.match(text)
            if code and 300 <= int(code[1]) < 400:
                raise RedirectError(f"the server redirects to another address ({int(code[1])})")
            if code and int(code[1]) < 200:  # another head would follow
                raise RedirectError("the server's answer is damaged")
            return line
        if text.lower().startswith(b"content-length:"):
            found = _LENGTH.fullmatch(text.lower())
            if found is None:
                raise RedirectError("the server's answer is damaged")
            self.length = int(found[1])
        if text.lower().startswith(b"transport:"):
            return _SOURCE.sub(b"origin", line)  # FFmpeg would send packets there
        return _PLACE.sub(rb"\1x-place ", line)


class HttpGuard:
    """Of an HTTP answer: its head is read line by line, its body passed on."""

    def __init__(self) -> None:
        self._waiting = b""
        self._head: _Head | None = _Head()

    def feed(self, data: bytes) -> bytes:
        """See `ReplyGuard.feed`."""
        out = []
        data, self._waiting = self._waiting + data, b""
        while self._head is not None and b"\n" in data:
            line, data = data.split(b"\n", 1)
            passed = self._head.take(line)
            if passed is None:
                self._head = None
            out.append((line if passed is None else passed) + b"\n")
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
        self._head = _Head()

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
                passed = self._head.take(line)
                if self._head.length > _MOST_BODY:
                    raise RedirectError("the server's answer is endless")
                if passed is None:
                    self._left, self._head = self._head.length, _Head()
                out.append((line if passed is None else passed) + b"\n")
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
