"""The way to a confined camera: FFmpeg talks to a port of this computer, and the relay talks to the checked address.

FFmpeg follows redirects and looks hosts up by itself, each time anew. Here the host is looked up once per connection,
checked, and connected to by the address that was checked; an answer that names another place ends the connection.
"""

from __future__ import annotations

import contextlib
import re
import selectors
import socket
import ssl
import threading
from collections.abc import Sequence
from urllib.parse import urlsplit, urlunsplit

from relaytrack.pipeline.sources.base import ReadError
from relaytrack.pipeline.sources.hosts import checked_addresses, parts_of
from relaytrack.pipeline.sources.reply_guard import HttpGuard, RedirectError, ReplyGuard, RtspGuard

FORMATS = "mpjpeg,mjpeg,mpegts,mov,mp4,matroska,webm,flv,h264,hevc"
"""What may come by HTTP: FFmpeg's formats that name no other addresses."""
_OPTIONS = {"tcp", "udp", "multicast", "http", "https", "filter_src", "listen"}
_PIECE = 65_536
_END = b"\r\n\r\n"
_HOST = "127.0.0.1"
_LOOK = 0.5  # seconds between two looks at whether the relay is closed


class Relay:
    """Listens on this computer for one reader of one camera.

    Args:
        url: the camera's address; `rtsp`, `rtsps`, `http` or `https`.
        networks: where it may stand; None: anywhere but at addresses where no camera stands.
        timeout: seconds in which the camera must take a connection.

    Attributes:
        url: the address that FFmpeg opens instead.
        options: FFmpeg's options that belong to it.
        refused: why a connection was ended by the relay, None if none was.

    Raises:
        ReadError: the address leads where no camera may stand, or the host is unknown.
    """

    def __init__(self, url: str, networks: Sequence[str] | None, *, timeout: float) -> None:
        self._scheme, self._name, self._port = parts_of(url)
        if _OPTIONS & set(re.split("[?&]", urlsplit(url).query)):  # FFmpeg's begin after the last question mark
            raise ReadError("the end of the address is an option of FFmpeg")
        self._addresses = checked_addresses(self._name, networks)
        if not self._addresses:
            raise ReadError("unknown host")
        self._timeout = timeout
        self.refused: str | None = None
        self._closed = threading.Event()
        self._open: set[socket.socket] = set()
        self._changing = threading.Lock()
        self._listening = socket.create_server((_HOST, 0), backlog=8)
        self.url, self.options = self._inside(url)
        threading.Thread(target=self._listen, name="relay", daemon=True).start()

    def _inside(self, url: str) -> tuple[str, dict[str, str]]:
        parts = urlsplit(url)
        login, at, _ = parts.netloc.rpartition("@")
        here = f"{login}{at}{_HOST}:{self._listening.getsockname()[1]}"
        plain = self._scheme.removesuffix("s")
        options = {"protocol_whitelist": "rtp,udp,tcp"}
        if plain == "http":
            host = f"[{self._name}]" if ":" in self._name else self._name
            options = {
                "protocol_whitelist": "http,tcp",
                "format_whitelist": FORMATS,
                "headers": f"Host: {host}:{self._port}\r\n",
            }
        return urlunsplit((plain, here, parts.path, parts.query, "")), options

    def close(self) -> None:
        """End every connection; nothing more can be read. Each is closed by the thread that serves it."""
        self._closed.set()
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        with self._changing:
            for one in self._open:
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(one, socket.SHUT_RDWR)  # an SSLSocket's own would end TLS under its reader

    def _listen(self) -> None:
        while not self._closed.is_set():
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(near,), name="relay", daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        """One connection, on one thread: a TLS connection may not be read and written at the same time."""
        far: socket.socket | None = None
        try:
            self._keep(near)
            far = self._keep(self._connect())
            if self._scheme.startswith("http"):
                self._ask_once(near, far)
            self._pass_on(near, far, RtspGuard() if self._scheme.startswith("rtsp") else HttpGuard())
        except RedirectError as error:
            self.refused = str(error)
        except (OSError, ValueError):  # ValueError: closed while it was waited for
            pass
        finally:
            self._drop(near, far)

    def _ask_once(self, near: socket.socket, far: socket.socket) -> None:
        """Pass on one request by HTTP, since one answer is read along."""
        asked = b""
        while _END not in asked and (piece := near.recv(_PIECE)):
            asked += piece
        _send(far, asked.partition(_END)[0] + _END)

    def _pass_on(self, near: socket.socket, far: socket.socket, guard: ReplyGuard) -> None:
        """Pass on what FFmpeg says (by HTTP nothing more) and what the camera answers, until one hangs up."""
        with selectors.DefaultSelector() as waiting:
            waiting.register(near, selectors.EVENT_READ)
            waiting.register(far, selectors.EVENT_READ)
            while not self._closed.is_set():
                held = isinstance(far, ssl.SSLSocket) and far.pending() > 0
                ready = [key.fileobj for key, _ in waiting.select(0 if held else _LOOK)]
                if held or far in ready:
                    with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
                        answer = far.recv(_PIECE)
                        if not answer:
                            return
                        near.sendall(guard.feed(answer))
                if near in ready:
                    piece = near.recv(_PIECE)
                    if not piece:
                        return
                    if self._scheme.startswith("rtsp"):
                        _send(far, piece)

    def _connect(self) -> socket.socket:
        """A connection to the first of the checked addresses that answers."""
        failure: OSError = OSError("no address")
        for address in self._addresses:
            try:
                far = socket.create_connection((address, self._port), timeout=self._timeout)
                if self._scheme.endswith("s"):
                    far = _unchecked_tls().wrap_socket(far, server_hostname=self._name)
            except OSError as error:
                failure = error
                continue
            far.setblocking(False)
            self.refused = None
            return far
        self.refused = "connection refused" if isinstance(failure, ConnectionRefusedError) else None
        raise failure

    def _keep(self, one: socket.socket) -> socket.socket:
        with self._changing:
            self._open.add(one)
        if self._closed.is_set():
            one.close()
        return one

    def _drop(self, *ended: socket.socket | None) -> None:
        for one in ended:
            if one is not None:
                with self._changing:
                    self._open.discard(one)
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()


def _send(far: socket.socket, data: bytes) -> None:
    """Send everything over a socket that does not block."""
    left = memoryview(data)
    while left:
        try:
            left = left[far.send(left) :]
        except (ssl.SSLWantWriteError, BlockingIOError):
            _await(far, selectors.EVENT_WRITE)
        except ssl.SSLWantReadError:
            _await(far, selectors.EVENT_READ)


def _await(one: socket.socket, event: int) -> None:
    with selectors.DefaultSelector() as waiting:
        waiting.register(one, event)
        waiting.select(_LOOK)


def _unchecked_tls() -> ssl.SSLContext:
    """TLS as FFmpeg does it: cameras have certificates of their own making."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
