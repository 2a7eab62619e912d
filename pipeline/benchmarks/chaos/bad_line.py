"""The line between a camera and the run, which somebody cuts, freezes and fills with garbage."""

from __future__ import annotations

import select
import socket
import struct
import threading
import time
from contextlib import suppress
from random import Random
from typing import Literal

Fault = Literal["reset", "close", "freeze", "nonsense", "flap", "garbage"]
FAULTS: tuple[Fault, ...] = ("reset", "close", "freeze", "nonsense", "flap", "garbage")
_TICK = 0.05  # seconds in which a pump sees a fault
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: the other end gets a reset


class BadLine:
    """Forwards connections to a server; faults begin with `begin` and end with `lift`.

    reset: connections are reset and new ones refused, as when the camera is without power; close: the same with an
    orderly end. freeze: everything stays open and nothing comes through. nonsense: new connections are answered with
    random bytes; flap: they are closed after some bytes. garbage: random bytes within the stream, once.

    Args:
        port: of the server.
        random: where garbage comes from.
    """

    def __init__(self, port: int, random: Random) -> None:
        self._server = port
        self._random = random
        self._fault: Fault | None = None
        self._ending = threading.Event()
        self._changing = threading.Lock()
        self._open: set[socket.socket] = set()
        self._inject = 0
        self._listener: socket.socket | None = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, args=(self._listener,), name="bad-line", daemon=True).start()

    def begin(self, fault: Fault) -> None:
        """Let something go wrong from now on."""
        self._fault = fault
        if fault in ("reset", "close"):
            listener, self._listener = self._listener, None
            if listener is not None:
                _shut(listener)
        if fault in ("reset", "close", "nonsense", "flap"):
            self._end_all(reset=fault == "reset")
        if fault == "garbage":
            self._inject = self._random.randint(1, 4096)

    def lift(self) -> None:
        """Everything is in order again."""
        fault, self._fault = self._fault, None
        if fault in ("reset", "close"):
            self._listener = _listen(self.port)
            threading.Thread(target=self._accept, args=(self._listener,), name="bad-line", daemon=True).start()

    def close(self) -> None:
        """End for good."""
        self._ending.set()
        if self._listener is not None:
            _shut(self._listener)
        self._end_all(reset=False)

    def _end_all(self, *, reset: bool) -> None:
        with self._changing:
            ending, self._open = list(self._open), set()
        for connection in ending:
            if reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                connection.close()
            else:
                _shut(connection)

    def _accept(self, listener: socket.socket) -> None:
        while not self._ending.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with self._changing:
                self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), name="bad-line", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            fault = self._fault
            if fault == "nonsense":
                connection.sendall(self._random.randbytes(self._random.randint(1, 5000)))
            elif fault == "flap":
                time.sleep(_TICK)
            else:
                with socket.create_connection(("127.0.0.1", self._server), timeout=2.0) as server:
                    self._pump(connection, server)
        except (OSError, ValueError):  # ended by the other side, or by `begin`
            pass
        finally:
            with self._changing:
                self._open.discard(connection)
            connection.close()

    def _pump(self, connection: socket.socket, server: socket.socket) -> None:
        while not self._ending.is_set():
            if self._fault == "freeze":
                time.sleep(_TICK)
                continue
            ready, _, _ = select.select([connection, server], [], [], _TICK)
            for one in ready:
                data = one.recv(65536)
                if not data:
                    return
                if one is server and self._inject:
                    data, self._inject = self._random.randbytes(self._inject) + data, 0
                (connection if one is server else server).sendall(data)


def _listen(port: int) -> socket.socket:
    """Take the port again, which the system may still hold for a moment."""
    end = time.monotonic() + 5.0
    while True:
        try:
            return socket.create_server(("127.0.0.1", port))
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(_TICK)


def _shut(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)  # also wakes a thread that waits in accept
    one.close()
