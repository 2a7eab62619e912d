"""A camera that paints the time into its pictures: an MJPEG server that plays a clip for ever.

Whoever sees a picture later, drawn and encoded anew, reads how old it is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import numpy as np

from relaytrack.pipeline.media import file_address
from relaytrack.pipeline.records import Image
from relaytrack.pipeline.render.jpeg import jpeg

CELL = 12
"""Width and height of a bit, pixels."""
BITS = 24
"""16 of the time in milliseconds, 8 to check them."""
ROUND = 1 << 16
"""Milliseconds after which the clock begins anew."""
_BOUNDARY = "picture"


def paint(image: Image, milliseconds: int) -> None:
    """Paint a time into the lower left corner of (H, W, 3) uint8 RGB, in place; at least 288 pixels wide."""
    value = milliseconds % ROUND
    word = value << 8 | _check_of(value)
    bits = np.array([word >> place & 1 for place in reversed(range(BITS))], np.uint8)
    row = np.repeat(np.where(bits, 235, 20).astype(np.uint8), CELL)
    image[-CELL:, : len(row)] = row[None, :, None]


def time_of(word: int) -> int | None:
    """The time that the `BITS` bits of a clock tell, milliseconds modulo `ROUND`; None where the check fails."""
    value = word >> 8
    return value if _check_of(value) == word & 0xFF else None


def read(image: Image) -> int | None:
    """The time in a picture, milliseconds modulo `ROUND`; None where it cannot be read."""
    places = CELL // 2 + CELL * np.arange(BITS)
    word = 0
    for bright in image[-CELL // 2, places].astype(int).mean(axis=1) > 127:
        word = word << 1 | int(bright)
    return time_of(word)


def _check_of(value: int) -> int:
    """The check bits of a time."""
    return (value & 0xFF) + 7 * (value >> 8) + 0x5A & 0xFF


def since(painted: int, now: int) -> int:
    """Milliseconds from a painted time to a moment, both modulo `ROUND`."""
    return (now - painted) % ROUND


@contextmanager
def clock_camera(clip: Path, fps: float) -> Iterator[str]:
    """Play a clip at a rate; gives the address. Every reader gets its own pictures, painted as they are sent."""
    with av.open(file_address(clip)) as container:
        frames = [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in container.decode(video=0)]
    ending = threading.Event()

    class Camera(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
            self.end_headers()
            begin = time.monotonic()
            for number in range(10**9):
                if ending.wait(max(0.0, begin + number / fps - time.monotonic())):
                    return
                image = frames[number % len(frames)].copy()
                paint(image, round(1000 * time.time()))
                data = jpeg(image, 92)
                head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                try:
                    self.wfile.write(head.encode() + data + b"\r\n")
                except OSError:
                    return

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Camera)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/clock.mjpg"
    finally:
        ending.set()
        server.shutdown()
        server.server_close()
