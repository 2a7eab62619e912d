"""Closes connections that take up room and ask for nothing.

Without it a few hundred connections that send a letter a second, or that read nothing, keep everybody else out.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0
"""In which the head of a request must have come."""
UNREAD_SECONDS = 30.0
"""After which a client is let go that takes nothing of what was sent to it."""
MOST_OF_ONE = 256
"""Connections from one address at the same time."""


class PatientProtocol(H11Protocol):
    """uvicorn's HTTP/1.1, with an end to waiting for a request's head and a bound on one address's connections."""

    _late: asyncio.TimerHandle | None = None
    _upgraded = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has come."""
        super().connection_made(transport)
        own = _address(self)
        others = sum(_address(one) == own for one in self.connections)
        if others > MOST_OF_ONE and not self.config.proxy_headers:  # behind a proxy all have its address
            transport.abort()
            return
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """A request is answered; the next one may come."""
        super().on_response_complete()
        self._watch()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """The connection goes on as a WebSocket, which has limits of its own."""
        self._rest()
        self._upgraded = True
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        self._rest()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Wait for a head no longer than `HEAD_SECONDS`; while a request is answered there is nothing to wait for."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._rest()
        elif self._late is None and not self._upgraded and not self.transport.is_closing():
            self._late = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _rest(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _give_up(self) -> None:
        self._late = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()


def _address(connection: object) -> str:
    """The address of a connection's client."""
    client: tuple[str, int] | None = getattr(connection, "client", None)
    return client[0] if client else ""


def bound_unread(listening: socket.socket) -> None:
    """Let the system end connections whose other side reads nothing; those that are accepted have it from here."""
    option: Any = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux
    if option is not None:
        with suppress(OSError):
            listening.setsockopt(socket.IPPROTO_TCP, option, round(1000 * UNREAD_SECONDS))
