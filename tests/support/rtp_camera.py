"""A camera that speaks RTSP over TCP and does what a test tells it to; the test gives its packets."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from typing import Any

import av

from tests.support.listener import Listener
from tests.support.numbered import numbered_image

Answer = Callable[[str, str], bytes | None]
"""Called with the method and the head of a request; the whole answer, None for the usual one."""
VIDEO = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:track{}\r\n"
SOUND = "m=audio 0 RTP/AVP 0\r\na=control:track{}\r\n"
_PIECE = 1200  # bytes of a packet
Access = list[bytes]
"""The units (NAL) of one picture."""


def h264(count: int, *, size: tuple[int, int] = (160, 96), keyframes: int = 10, rate: int = 10) -> list[Access]:
    """`count` numbered pictures, a keyframe every `keyframes`; the stream says `rate` pictures per second."""
    encoder: Any = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = *size, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, rate), Fraction(rate, 1)
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "g": str(keyframes), "sc_threshold": "0"}
    packets = []
    for number in range(1, count + 1):
        frame = av.VideoFrame.from_ndarray(numbered_image(number, *size), format="rgb24")
        frame.pts = number
        packets += encoder.encode(frame)
    units = [bytes(packet).replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1") for packet in packets + encoder.encode()]
    return [[unit for unit in picture if unit] for picture in units]


def packets(picture: Access, number: int, stamp: int, channel: int = 0) -> Iterator[bytes]:
    """The RTP packets of a picture (RFC 6184), framed for TCP; `number` of the picture, `stamp` in 1/90000 s."""
    parts: list[bytes] = []
    for unit in picture:
        if len(unit) <= _PIECE:
            parts.append(unit)
            continue
        pieces = [unit[at : at + _PIECE] for at in range(1, len(unit), _PIECE)]
        for at, piece in enumerate(pieces):
            flags = (at == 0) << 7 | (at == len(pieces) - 1) << 6 | unit[0] & 0x1F
            parts.append(bytes([unit[0] & 0xE0 | 28, flags]) + piece)
    for at, part in enumerate(parts):
        marker = 0x80 if at == len(parts) - 1 else 0
        head = struct.pack("!BBHII", 0x80, marker | 96, (number * 64 + at) & 0xFFFF, stamp & 0xFFFFFFFF, 1 + channel)
        yield b"$" + bytes([channel]) + struct.pack("!H", len(head) + len(part)) + head + part


class RtpCamera(Listener):
    """The camera; `requests` are the heads of all requests."""

    def __init__(self, play: Callable[[int], Iterator[bytes | float]], media: Sequence[str], answer: Answer) -> None:
        """Listen.

        Args:
            play: gives, by the number of the connection (from 1), what is sent: bytes, or seconds to wait. The
                connection is closed at its end.
            media: the parts of its description, see `VIDEO` and `SOUND`.
            answer: odd answers.
        """
        self.requests: list[str] = []
        self._play, self._answer = play, answer
        self._description = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n" + "".join(
            part.format(track) for track, part in enumerate(media)
        )
        super().__init__()

    def serve(self, one: socket.socket, number: int) -> None:
        """Answer the requests of a connection."""
        said, tracks = b"", 0
        with one, suppress(OSError):
            while piece := one.recv(4096):
                said += piece
                while b"\r\n\r\n" in said:
                    head, said = said.split(b"\r\n\r\n", 1)
                    request = head[head.find(b"$") + 4 if head.startswith(b"$") else 0 :].decode("latin-1")
                    self.requests.append(request)
                    method, address = request.split(" ")[0], request.split("\r\n")[0][:-9].split(" ", 1)[1]
                    own = self._answer(method, request)
                    lines = ["RTSP/1.0 200 OK", _sequence(request), "Session: 12345678"]
                    body = ""
                    if method == "DESCRIBE":
                        body = self._description
                        lines += [f"Content-Base: {address}/", "Content-Type: application/sdp"]
                        lines.append(f"Content-Length: {len(body)}")
                    if method == "SETUP":
                        lines.append(f"Transport: RTP/AVP/TCP;unicast;interleaved={2 * tracks}-{2 * tracks + 1}")
                        tracks += 1
                    one.sendall(own or ("\r\n".join(lines) + "\r\n\r\n" + body).encode())
                    if method == "PLAY" and own is None:
                        threading.Thread(target=self._send, args=(one, number), daemon=True).start()

    def _send(self, one: socket.socket, connection: int) -> None:
        with suppress(OSError):
            for item in self._play(connection):
                if isinstance(item, bytes):
                    one.sendall(item)
                else:
                    time.sleep(item)
            one.shutdown(socket.SHUT_RDWR)


def at_rate(pictures: Sequence[Access], rate: float = 10.0, *, channels: int = 1) -> Iterator[bytes | float]:
    """Send pictures `rate` times per second, on one or more tracks."""
    for number, picture in enumerate(pictures):
        for channel in range(channels):
            yield from packets(picture, number, round(number * 90000 / rate), 2 * channel)
        yield 1.0 / rate


@contextmanager
def rtp_camera(
    play: Callable[[int], Iterator[bytes | float]],
    *,
    media: Sequence[str] = (VIDEO,),
    answer: Answer = lambda method, request: None,
) -> Iterator[RtpCamera]:
    """An `RtpCamera` until the end of the block."""
    camera = RtpCamera(play, media, answer)
    try:
        yield camera
    finally:
        camera.listening.close()


def refusal(code: str, request: str) -> bytes:
    """An answer that refuses a request: "455 Method Not Valid"."""
    return f"RTSP/1.0 {code}\r\n{_sequence(request)}\r\n\r\n".encode()


def _sequence(request: str) -> str:
    """The line that says which request is answered."""
    return next((line for line in request.split("\r\n") if line.startswith("CSeq")), "CSeq: 1")
