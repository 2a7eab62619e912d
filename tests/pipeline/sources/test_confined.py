"""Cameras that come from outside: their server cannot lead FFmpeg to another host, whatever it answers."""

from __future__ import annotations

import http.server
import select
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relaytrack.pipeline.config.schema import CameraConfig, InputConfig, RunConfig
from relaytrack.pipeline.errors import ConfigError, SourceError
from relaytrack.pipeline.records import Frame
from relaytrack.pipeline.sources import create_source, hosts
from relaytrack.pipeline.sources.base import ReadError, Source
from relaytrack.pipeline.sources.relay import Relay
from relaytrack.pipeline.sources.reply_guard import HttpGuard, RedirectError, ReplyGuard, RtspGuard
from tests.support.fake_cameras import number, rtsp_redirect, server

OUTSIDE, INSIDE = "127.0.0.2", "127.0.0.1"
NETWORKS = (f"{OUTSIDE}/32",)


def take(source: Source, count: int) -> list[Frame]:
    """The first frames of a source."""
    source.open()
    with closing(source.frames()) as frames:
        return [next(frames) for _ in range(count)]


QUICK = InputConfig(open_timeout=4, read_timeout=4, networks=NETWORKS)
ANYWHERE = InputConfig(open_timeout=8, read_timeout=8)


def own_certificate(folder: Path) -> ssl.SSLContext:
    """TLS of a camera, with a certificate of its own making."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not there")
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=camera", *files],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


def picture_of(url: str, *, confined: bool, options: InputConfig = QUICK) -> None:
    """Try to read one picture.

    Raises:
        SourceError: none came.
    """
    camera = CameraConfig(url=url, name="x", live=True, confined=confined)
    stop = threading.Event()
    source = create_source(camera, options, RunConfig(), started=time.monotonic(), stop=stop)
    try:
        source.open()
    finally:
        stop.set()
        source.close()


def http_redirect(place: str) -> Callable[[bytes], bytes]:
    return lambda _: f"HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n".encode()


def http_file(kind: str, text: str) -> Callable[[bytes], bytes]:
    return lambda _: (
        f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n{text}"
    ).encode()


def playlist(place: str) -> str:
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{place}\n#EXTINF:2,\n{place}\n"


def hidden_rtsp_redirect(place: str) -> Callable[[bytes], bytes]:
    """With a blank before it and a return within a name: FFmpeg minds neither."""
    return lambda request: b" RTSP/1.0 302 x\r\n" + number(request) + f"\r\nLoc\ration: {place}\r\n\r\n".encode()


def rtsp_redirect_in_a_body(place: str) -> Callable[[bytes], bytes]:
    """FFmpeg cuts the line with the length off before the number, and takes the body for the next answer."""

    def answer(request: bytes) -> bytes:
        seen = number(request)
        following = b"CSeq: %d" % (int(seen.split(b":")[1]) + 1)
        head = f"\r\nLocation: {place}\r\n\r\n".encode()
        body = b"RTSP/1.0 302 x\r\n" + following + head
        length = b"\r\nContent-Length:" + b" " * 5000 + str(len(body)).encode()
        return b"RTSP/1.0 200 OK\r\n" + seen + length + b"\r\n\r\n" + body

    return answer


def http_redirect_after_an_end(place: str) -> Callable[[bytes], bytes]:
    """FFmpeg takes two returns for a line of the head."""
    return lambda _: f"HTTP 404/ 302\r\n\r\r\nLocation: {place}\r\n\r\n".encode()


WAYS = {
    "rtsp with a blank and a return": ("rtsp", "/x", hidden_rtsp_redirect, "rtsp"),
    "rtsp in a body": ("rtsp", "/x", rtsp_redirect_in_a_body, "rtsp"),
    "http after an end": ("http", "/x", http_redirect_after_an_end, "http"),
    "rtsp": ("rtsp", "/x", rtsp_redirect, "rtsp"),
    "http": ("http", "/x", http_redirect, "http"),
    "hls": ("http", "/x.m3u8", lambda place: http_file("application/vnd.apple.mpegurl", playlist(place)), "http"),
}


@pytest.mark.parametrize("way", WAYS)
def test_no_server_leads_to_another_host(way: str) -> None:
    scheme, path, answer, inner = WAYS[way]
    with server(INSIDE, lambda _: b"") as inside:
        place = f"{inner}://{INSIDE}:{inside.port}/secret.ts"
        with server(OUTSIDE, answer(place)) as outside:
            url = f"{scheme}://{OUTSIDE}:{outside.port}{path}"
            with pytest.raises(SourceError):
                picture_of(url, confined=True)
            assert outside.requests, "the camera itself was asked"
            assert not inside.requests, "and nobody else"
            with suppress(SourceError):
                picture_of(url, confined=False)
            assert inside.requests, "FFmpeg by itself goes there: the test can fail"


def test_a_session_description_leads_nowhere() -> None:
    text = f"v=0\r\no=- 0 0 IN IP4 {INSIDE}\r\ns=x\r\nc=IN IP4 {INSIDE}\r\nt=0 0\r\nm=video 5004 RTP/AVP 96\r\n"
    with server(OUTSIDE, http_file("application/sdp", text)) as outside, pytest.raises(SourceError):
        picture_of(f"http://{OUTSIDE}:{outside.port}/x.sdp", confined=True)


@pytest.mark.parametrize("kind", ["application/vnd.apple.mpegurl", "audio/mpegurl", "text/plain"])
def test_the_line_says_that_a_playlist_is_not_read(kind: str) -> None:
    """Fault: it said "Invalid argument"."""
    with (
        server(OUTSIDE, http_file(kind, playlist("http://127.0.0.1:9/x.ts"))) as outside,
        pytest.raises(SourceError, match=r"HLS, DASH and session descriptions .* only for cameras in the site's file"),
    ):
        picture_of(f"http://{OUTSIDE}:{outside.port}/x.m3u8", confined=True)


def test_the_line_says_that_the_server_redirects() -> None:
    with (
        server(OUTSIDE, rtsp_redirect(f"rtsp://{INSIDE}:9/x")) as outside,
        pytest.raises(SourceError, match="redirects to another address"),
    ):
        picture_of(f"rtsp://{OUTSIDE}:{outside.port}/x", confined=True)


def test_a_name_is_looked_up_once_and_connected_to_as_it_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def look_up(host: str, *_: object, **__: object) -> list[tuple[Any, ...]]:
        asked.append(host)
        where = OUTSIDE if len(asked) == 1 else INSIDE
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (where, 0))]

    with server(OUTSIDE, lambda _: b"") as outside, socket.create_server((INSIDE, outside.port)) as inside:
        inside.settimeout(0.2)
        with monkeypatch.context() as patch:
            patch.setattr(hosts.socket, "getaddrinfo", look_up)
            relay = Relay(f"rtsp://camera.example:{outside.port}/x", NETWORKS, timeout=4)
        try:
            with socket.create_connection(("127.0.0.1", int(relay.url.split(":")[2].split("/")[0]))) as near:
                near.sendall(b"OPTIONS * RTSP/1.0\r\n\r\n")
                until = time.monotonic() + 5
                while not outside.requests and time.monotonic() < until:
                    time.sleep(0.01)
        finally:
            relay.close()
        assert asked == ["camera.example"]
        assert outside.requests
        with pytest.raises(TimeoutError):
            inside.accept()


def connect(relay: Relay) -> socket.socket:
    """A connection to a relay, as FFmpeg makes it."""
    return socket.create_connection(("127.0.0.1", int(relay.url.split(":")[2].split("/")[0])))


def test_a_failed_handshake_tries_the_next_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        socket.create_server((OUTSIDE, 0)) as first,
        socket.create_server(("127.0.0.3", first.getsockname()[1])) as next_,
    ):
        addresses = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 0)) for one in (OUTSIDE, "127.0.0.3")]
        with monkeypatch.context() as patch:
            patch.setattr(hosts.socket, "getaddrinfo", lambda *_, **__: addresses)
            relay = Relay(f"rtsps://camera.example:{first.getsockname()[1]}/x", None, timeout=4)
        for one in (first, next_):
            one.settimeout(4)
        try:
            with connect(relay):
                first.accept()[0].close()  # it hangs up instead of speaking TLS
                next_.accept()[0].close()
        finally:
            relay.close()


def test_what_refused_a_connection_is_over_when_one_works() -> None:
    with socket.create_server((OUTSIDE, 0)) as listening:
        port = listening.getsockname()[1]
    relay = Relay(f"rtsp://{OUTSIDE}:{port}/x", NETWORKS, timeout=4)
    try:
        with connect(relay) as near:
            assert near.recv(1) == b""
        assert relay.refused == "connection refused"
        with server(OUTSIDE, lambda _: b"RTSP/1.0 200 OK\r\n\r\n", port) as camera, connect(relay) as near:
            near.sendall(b"OPTIONS * RTSP/1.0\r\n\r\n")
            assert near.recv(9) == b"RTSP/1.0 "
            assert camera.requests
            assert relay.refused is None
    finally:
        relay.close()


def test_tls_is_ended_by_the_thread_that_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = own_certificate(tmp_path)
    ended = []
    shut = ssl.SSLSocket.shutdown

    def shutdown(one: ssl.SSLSocket, how: int) -> None:
        ended.append(threading.current_thread().name)
        shut(one, how)

    monkeypatch.setattr(ssl.SSLSocket, "shutdown", shutdown)
    with socket.create_server((OUTSIDE, 0)) as listening:
        listening.settimeout(4)
        relay = Relay(f"rtsps://{OUTSIDE}:{listening.getsockname()[1]}/x", NETWORKS, timeout=4)
        with connect(relay) as near, closing(context.wrap_socket(listening.accept()[0], server_side=True)) as far:
            far.sendall(b"RTSP/1.0 200 OK\r\n")
            assert near.recv(100) == b"RTSP/1.0 200 OK\r\n"
            kept = list(relay._open)
            relay.close()
            until = time.monotonic() + 5
            while any(one.fileno() >= 0 for one in kept) and time.monotonic() < until:
                time.sleep(0.01)
            assert [one.fileno() for one in kept] == [-1, -1]
    assert ended == ["relay"]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (f"rtsp://{INSIDE}/x", "not in a network"),
        ("rtsp://169.254.169.254/x", "no camera stands"),
        ("camera.example/x", "^it is no network address"),
        ("udp://127.0.0.2:9", "only stand in the site's file"),
        ("rtsp://127.0.0.2/x?multicast", "option of FFmpeg"),
        ("rtsp://127.0.0.2/x?a=b&udp", "option of FFmpeg"),
        ("rtsp://127.0.0.2/x?a?multicast", "option of FFmpeg"),
        ("rtsp://no-such-host.invalid/x", "unknown host"),
    ],
)
def test_what_a_confined_camera_cannot_be(url: str, words: str) -> None:
    with pytest.raises(ReadError, match=words):
        Relay(url, NETWORKS, timeout=1)


def test_a_confined_camera_is_no_file(tmp_path: Path) -> None:
    camera = CameraConfig(url=str(tmp_path / "x.mp4"), name="x", confined=True)
    with pytest.raises(ConfigError, match="no files"):
        create_source(camera, QUICK, RunConfig(), started=0.0, stop=threading.Event())


# heads that try to look like something else


def fed(guard: ReplyGuard, data: bytes, piece: int) -> bytes:
    """What a guard passes on of bytes that come in pieces."""
    return b"".join(guard.feed(data[start : start + piece]) for start in range(0, len(data), piece))


PLAY = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n"
REFUSED = {
    "plain": b"RTSP/1.0 301 Moved\r\nLocation: rtsp://b/\r\n\r\n",
    "second answer": PLAY + b"\r\nRTSP/1.0 302 x\r\n\r\n",
    "after a body": PLAY + b"Content-Length: 3\r\n\r\nabcRTSP/1.0 302 x\r\n\r\n",
    "after a packet": b"$\0\0\x03abcRTSP/1.0 302 x\r\n\r\n",
    "after a packet with a return before it": b"\r\r$\0\0\x03abcRTSP/1.0 302 x\r\n\r\n",
    "a packet within a head": PLAY + b"$\0\0\x02\r\n\r\nRTSP/1.0 302 x\r\n\r\n",
    "zeros before the number": b"RTSP/1.0 0302 x\r\n\r\n",
    "a sign before the number": b"RTSP/1.0 +302 x\r\n\r\n",
    "an end that only some see": PLAY + b"\0\r\n",
    "no number for the length": PLAY + b"Content-Length: -5\r\n\r\n",
    "an endless body": PLAY + b"Content-Length: 99999999\r\n\r\n",
    "an endless line": b"x" * 20_000,
    "a blank before it, and a return within a name": b" RTSP/1.0 302 x\r\nLoc\ration: rtsp://b/\r\n\r\n",
    "a length behind the end of FFmpeg's line": (
        PLAY + b"Content-Length:" + b" " * 5000 + b"60\r\n\r\nRTSP/1.0 302 x\r\nLocation: rtsp://b/\r\n\r\n" + b"x" * 60
    ),
    "no first line at all": b"302 x\r\n\r\n",
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("piece", [1, 7, 100_000])
def test_no_head_slips_through(name: str, piece: int) -> None:
    data = REFUSED[name]
    with pytest.raises(RedirectError):
        fed(RtspGuard(), data, piece)


@pytest.mark.parametrize("piece", [1, 7, 100_000])
@pytest.mark.parametrize(
    "first", [b"HTTP 404/ 302", b" HTTP/1.1 302 x", b"HTTP/1.1\t200 302", b"HTTP/1.1 200" + b" " * 5000]
)
def test_no_head_slips_through_by_http(first: bytes, piece: int) -> None:
    with pytest.raises(RedirectError):
        fed(HttpGuard(), first + b"\r\n\r\r\nLocation: http://b/\r\n\r\n", piece)


@pytest.mark.parametrize("piece", [1, 7, 100_000])
def test_what_passes_is_what_was_judged(piece: int) -> None:
    head = PLAY + b"Loc\ration: rtsp://b/\r\nTransport: RTP/AVP;sou\rrce=10.0.0.1\r\n\r\r\n"
    passed = fed(RtspGuard(), head, piece)
    assert passed == PLAY + b"x-place : rtsp://b/\r\nTransport: RTP/AVP;origin=10.0.0.1\r\n\r\n"
    passed = fed(HttpGuard(), b"HTTP/1.1 200 OK\r\nLoc\ration: b\n\r\r\nbo\rdy", piece)
    assert passed == b"HTTP/1.1 200 OK\r\nx-place : b\n\r\nbo\rdy", "the head has one clean end; a body stays as it is"


def test_first_lines_of_real_servers_pass() -> None:
    for line in (b"RTSP/1.0 200 OK\r\n", b"RTSP/1.0 401\n", b"SET_PARAMETER rtsp://b/ RTSP/1.0\r\n"):
        assert RtspGuard().feed(line) == line
    for line in (b"HTTP/1.0 404 Not Found\r\n", b"HTTP/1.1  200 \r\n", b"ICY 200 OK\r\n"):
        assert HttpGuard().feed(line) == line


@pytest.mark.parametrize("piece", [1, 5, 10_000])
def test_everything_else_passes_byte_by_byte(piece: int) -> None:
    packet = b"$\0\0\x0e12345\nRTSP/1 3"
    data = PLAY + b"Content-Length: 4\r\n\r\nv=0\n" + packet + PLAY + b"Session: 7\r\n" + packet + b"\r\n" + packet
    for guard, whole in ((RtspGuard(), data), (HttpGuard(), b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n\nHTTP/1.1 302 \r\n")):
        assert fed(guard, whole, piece) == whole


def test_places_and_sources_are_taken_out_of_heads() -> None:
    head = b"RTSP/1.0 200 OK\r\nlocation: rtsp://b/\r\nTransport: RTP/AVP;source=10.0.0.1;server_port=1-2\r\n\r\n"
    passed = RtspGuard().feed(head)
    assert len(passed) == len(head)
    assert b"ocation" not in passed.lower()
    assert b"source" not in passed
    with pytest.raises(RedirectError):
        HttpGuard().feed(b"HTTP/1.1 307 x\r\n")


# real servers


@pytest.mark.needs("rtsp")
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_real_camera_is_read_over_either_transport(rtsp_server: Any, make_source: Any, transport: str) -> None:
    source = make_source(rtsp_server.url("red"), options=ANYWHERE, transport=transport, confined=True)
    frames = take(source, 8)
    np.testing.assert_allclose(frames[-1].image.reshape(-1, 3).mean(0), [255, 0, 0], atol=12)


@pytest.mark.needs("rtsp")
def test_a_camera_with_a_password_is_read(rtsp_server_with_password: Any, make_source: Any) -> None:
    source = make_source(
        rtsp_server_with_password.url("red", credentials="viewer:s3cret@"), options=ANYWHERE, confined=True
    )
    assert take(source, 2)


@pytest.mark.needs("rtsp")
def test_a_camera_behind_tls_is_read(rtsp_server: Any, make_source: Any, tmp_path: Path) -> None:
    context = own_certificate(tmp_path)
    plain_port = int(rtsp_server.url("red").split(":")[2].split("/")[0])

    def pump(near: ssl.SSLSocket, far: socket.socket) -> None:
        """On one thread: a TLS connection may not be read and written at the same time."""
        with suppress(OSError):
            while True:
                near.settimeout(0.02)
                with suppress(TimeoutError):
                    asked = near.recv(65536)
                    if not asked:
                        return
                    far.sendall(asked)
                near.settimeout(5)
                while select.select([far], [], [], 0)[0] and (piece := far.recv(65536)):
                    near.sendall(piece)

    def listen() -> None:
        with suppress(OSError):
            while True:
                near = context.wrap_socket(listening.accept()[0], server_side=True)
                far = socket.create_connection(("127.0.0.1", plain_port))
                threading.Thread(target=pump, args=(near, far), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=listen, daemon=True).start()
        url = f"rtsps://127.0.0.1:{listening.getsockname()[1]}/red"
        assert take(make_source(url, options=ANYWHERE, confined=True), 3)


def test_a_video_over_http_is_read_and_its_server_sees_its_own_name() -> None:
    seen: list[str | None] = []

    class Files(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given, directory="samples")

        def do_GET(self) -> None:
            seen.append(self.headers["Host"])
            with suppress(OSError):  # the reader seeks
                super().do_GET()

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer((OUTSIDE, 0), Files) as files:
        threading.Thread(target=files.serve_forever, daemon=True).start()
        where = f"{OUTSIDE}:{files.server_port}"
        picture_of(f"http://{where}/west.mp4", confined=True)
        files.shutdown()
    assert set(seen) == {where}
