"""Servers that stand where a camera should be, and answer what a test tells them to."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tests.support.listener import Listener


class Server(Listener):
    """A TCP server that answers every request with the same bytes, and counts who came."""

    def __init__(self, host: str, answer: Callable[[bytes], bytes], port: int = 0) -> None:
        self.requests: list[bytes] = []
        self._answer = answer
        super().__init__(host, port)

    def serve(self, one: socket.socket, number: int) -> None:
        """Answer the requests of a connection."""
        with one, suppress(OSError):
            said = b""
            while piece := one.recv(4096):
                said += piece
                while b"\r\n\r\n" in said:
                    request, said = said.split(b"\r\n\r\n", 1)
                    self.requests.append(request)
                    one.sendall(self._answer(request))
                    if b"HTTP/" in request:
                        return


@contextmanager
def server(host: str, answer: Callable[[bytes], bytes], port: int = 0) -> Iterator[Server]:
    """A `Server` until the end of the block."""
    running = Server(host, answer, port)
    try:
        yield running
    finally:
        running.listening.close()


def number(request: bytes) -> bytes:
    """The line of an RTSP request that its answer repeats."""
    return next((line for line in request.split(b"\r\n") if line.lower().startswith(b"cseq")), b"CSeq: 1")


def rtsp_redirect(place: str) -> Callable[[bytes], bytes]:
    """Answers that send an RTSP client elsewhere."""
    return lambda request: b"RTSP/1.0 302 Moved\r\n" + number(request) + f"\r\nLocation: {place}\r\n\r\n".encode()
