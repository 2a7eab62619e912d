"""A TCP server of a test: every connection is served in a thread of its own."""

from __future__ import annotations

import socket
import threading


class Listener:
    """Listens until `listening` is closed; how a connection is served is up to the class that inherits this one.

    Attributes:
        listening: the socket; host, port: where it listens.
        connections: how many came.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen, from now on: a class that inherits this one calls it when it is ready to serve."""
        self.listening = socket.create_server((host, port))
        self.host: str = host
        self.port: int = self.listening.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                one, _ = self.listening.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(one, self.connections), daemon=True).start()

    def serve(self, one: socket.socket, number: int) -> None:
        """Serve a connection, the `number`-th (from 1)."""
        raise NotImplementedError
