"""A small camera: an MPEG-TS clip that never ends, over HTTP, for machines without an RTSP server."""

from __future__ import annotations

import io
import itertools
import socket
import threading
from fractions import Fraction
from typing import Any

import av
import numpy as np

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\nConnection: close\r\n\r\n"
_RATE = 25


def moving_square(frames: int = 50, size: tuple[int, int] = (64, 48)) -> list[bytes]:
    """A clip as MPEG-TS, in as many pieces as it has frames."""
    buffer, cuts = io.BytesIO(), [0]
    with av.open(buffer, "w", format="mpegts") as container:
        stream: Any = container.add_stream("libx264", rate=_RATE)
        stream.width, stream.height = size
        stream.pix_fmt, stream.gop_size = "yuv420p", 10
        stream.options = {"tune": "zerolatency", "preset": "ultrafast"}
        for number in range(frames):
            image = np.full((size[1], size[0], 3), 40, np.uint8)
            image[10:30, number % 40 : number % 40 + 16] = 220
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, _RATE)
            container.mux(stream.encode(frame))
            cuts.append(buffer.tell())
        container.mux(stream.encode())
    data = buffer.getvalue()
    return [data[begin:end] for begin, end in itertools.pairwise([*cuts, len(data)]) if end > begin]


class StreamServer:
    """Serves the clip to everybody who connects, at its rate, from threads; to be closed in the end."""

    def __init__(self) -> None:
        self._pieces = moving_square()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._ending = threading.Event()
        threading.Thread(target=self._accept, name="stream-server", daemon=True).start()

    @property
    def path(self) -> str:
        """What stands behind the port in the address."""
        return "/clip.ts"

    def close(self) -> None:
        """End all connections."""
        self._ending.set()
        self._listener.close()

    def _accept(self) -> None:
        while not self._ending.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), name="stream-server", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                connection.recv(4096)
                connection.sendall(_ANSWER)
                for piece in itertools.cycle(self._pieces):
                    if self._ending.wait(1.0 / _RATE):
                        return
                    connection.sendall(piece)
            except OSError:
                return
