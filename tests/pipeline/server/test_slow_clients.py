"""Clients that are slow, greedy or deaf: they are let go, and the others notice nothing."""

from __future__ import annotations

import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from relaytrack.pipeline.server import patience
from relaytrack.pipeline.server.access import bounds
from tests.support.png import png
from tests.support.sites import Served, log_in, served
from tests.support.world import wait_for


@pytest.fixture
def hasty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A site with little patience."""
    monkeypatch.setattr(patience, "HEAD_SECONDS", 1.0)
    monkeypatch.setattr(patience, "UNREAD_SECONDS", 2.0)
    monkeypatch.setattr(bounds, "SECONDS", 1.5)
    with served(tmp_path, users={"root": "admin"}) as running:
        yield running


def connect(site: Served) -> socket.socket:
    parts = urlsplit(site.url)
    return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=15)


def closed_after(raw: socket.socket) -> float:
    """Seconds until the other side has closed."""
    begin = time.monotonic()
    try:
        while raw.recv(65536):
            pass
    except ConnectionResetError:
        pass
    return time.monotonic() - begin


def test_a_head_that_does_not_end_is_not_waited_for(hasty: Served) -> None:
    for sent in (b"", b"GET / HTTP/1.1\r\nHost: localhost\r\n", b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\nGET"):
        with connect(hasty) as raw:
            raw.sendall(sent)
            assert closed_after(raw) < 6.0, sent


def test_letters_that_drip_in_do_not_help(hasty: Served) -> None:
    with connect(hasty) as raw:
        raw.sendall(b"GET /live HTTP/1.1\r\nHost: localhost\r\nX: ")
        assert wait_for(lambda: _refuses(raw), 8.0)


def _refuses(raw: socket.socket) -> bool:
    """Send a letter; whether the other side has closed."""
    time.sleep(0.1)
    try:
        raw.sendall(b"a")
    except (ConnectionResetError, BrokenPipeError):
        return True
    return False


def test_a_body_that_does_not_end_is_not_waited_for(hasty: Served) -> None:
    with log_in(hasty, "root") as client:
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        head = (
            f"POST /api/v1/search HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\nContent-Length: 90000\r\n"
            f"X-CSRF-Token: {client.headers['x-csrf-token']}\r\n\r\n"
        )
        with connect(hasty) as raw:
            raw.sendall(head.encode() + b"a")
            begin = time.monotonic()
            assert raw.recv(4096).startswith(b"HTTP/1.1 408")
            assert time.monotonic() - begin < 6.0


def test_many_half_open_connections_keep_nobody_out(hasty: Served) -> None:
    held = [connect(hasty) for _ in range(200)]
    try:
        for raw in held:
            raw.sendall(b"GET / HTTP/1.1\r\n")
        assert hasty.get("/live").status_code == 200
    finally:
        for raw in held:
            raw.close()


def test_one_address_cannot_take_every_connection(hasty: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "MOST_OF_ONE", 20)
    held = [connect(hasty) for _ in range(40)]
    try:
        time.sleep(0.3)
        for raw in held:
            raw.settimeout(0.05)
        gone = 0
        for raw in held:
            try:
                gone += raw.recv(1) == b""
            except ConnectionResetError:
                gone += 1
            except TimeoutError:
                continue
        assert gone >= 20
    finally:
        for raw in held:
            raw.close()


def test_a_waiting_reader_of_events_is_not_taken_for_a_slow_one(hasty: Served) -> None:
    with log_in(hasty, "root") as client, client.stream("GET", "/api/v1/events/stream") as stream:
        lines = stream.iter_lines()
        next(lines)
        time.sleep(2.5)
        hasty.site.events.add([{"event": "enter", "camera": "door", "identity": 1}])
        assert any("enter" in line for line in lines)


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this system has no TCP_USER_TIMEOUT")
def test_who_reads_nothing_is_let_go(hasty: Served) -> None:
    with log_in(hasty, "root") as client:
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    for number in range(30):
        data = {"event": "enter", "camera": "door", "identity": number, "note": "x" * 1000}
        hasty.site.events.add([data] * 300)
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    parts = urlsplit(hasty.url)
    raw.connect((parts.hostname, parts.port))
    raw.sendall(f"GET /api/v1/events/export.jsonl HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n".encode())
    assert raw.recv(100).startswith(b"HTTP/1.1 200")
    port = raw.getsockname()[1]
    assert _is_connected(parts.port or 0, port)
    assert wait_for(lambda: not _is_connected(parts.port or 0, port), 20), "the server has let it go"
    raw.close()


def _is_connected(own: int, other: int) -> bool:
    """Whether the system knows a connection from a port of this computer to another one."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    ports = [[int(address.split(":")[1], 16) for address in line.split()[1:3]] for line in lines]
    return [own, other] in ports


# sizes


def test_uploads_are_bounded_also_without_a_length(hasty: Served) -> None:
    most = round(hasty.site.config.server.upload_mb * 1e6)

    def endless() -> Iterator[bytes]:
        for _ in range(most // 100_000 + 50):
            yield b"\xff" * 100_000

    with log_in(hasty, "root") as client:
        for path in ("/api/v1/search", "/api/v1/cameras", "/api/v1/people/1/merge"):
            assert _code(client, path, endless()) == 413, path
        assert client.post("/api/v1/cameras", content=b'{"url":"' + b"a" * 300_000 + b'"}').status_code == 413
        head = {"content-length": str(10**12)}
        answer = client.build_request("POST", "/api/v1/search", content=b"a", headers=head)
        with connect(hasty) as raw:
            lines = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
            raw.sendall(f"POST /api/v1/search HTTP/1.1\r\n{lines}\r\n".encode())
            assert raw.recv(4096).startswith(b"HTTP/1.1 413")


def _code(client: httpx.Client, path: str, content: Iterator[bytes]) -> int:
    """The answer's status; a server that has answered may hang up before it has got everything."""
    try:
        return client.post(path, content=content).status_code
    except (httpx.WriteError, httpx.RemoteProtocolError, httpx.ReadError):
        return 413


def test_a_bomb_is_refused_over_the_wire(hasty: Served) -> None:
    bomb = png(50_000, 50_000, b"\0" * 10_000_000)
    with log_in(hasty, "root") as client:
        begin = time.monotonic()
        answer = client.post("/api/v1/search", content=bomb)
        assert (answer.status_code, answer.json()["field"]) == (422, "picture")
        assert time.monotonic() - begin < 5.0


# TLS


def test_tls_by_certificate_and_key(tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    settings = {"tls_cert": str(certificate), "tls_key": str(key)}
    with served(tmp_path / "site", users={"root": "admin"}, settings=settings) as site:
        assert site.url.startswith("https://")
        with httpx.Client(base_url=site.url, verify=ssl.create_default_context(cafile=str(certificate))) as client:
            answer = client.post("/login", data={"name": "root", "password": "root-password"})
            assert answer.status_code == 303
            assert "secure" in answer.headers["set-cookie"].lower()
            assert "strict-transport-security" in answer.headers
            assert client.get("/people").status_code == 200
        with pytest.raises(httpx.TransportError):
            httpx.get(site.url.replace("https", "http"))
