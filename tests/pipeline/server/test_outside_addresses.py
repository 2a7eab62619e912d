"""What comes from outside reaches neither files nor hosts that it should not, and passwords never come back."""

from __future__ import annotations

import logging
import re
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from relaytrack.pipeline.config.server import ServerConfig
from relaytrack.pipeline.server.access import addresses
from relaytrack.pipeline.server.problems import ProblemError
from relaytrack.pipeline.sources import hosts
from tests.support.fake_cameras import rtsp_redirect, server
from tests.support.sites import Served, served
from tests.support.world import wait_for

WAYS_OUT = (
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "..%5c..%5cetc%5cpasswd",
    "%2fetc%2fpasswd",
    "..",
    "%2e%2e",
    "site.sqlite",
    "accounts.json",
    "door%00.jpg",
)


def raw_get(site: Served, path: str) -> tuple[int, bytes]:
    """GET of a path that no client may tidy up; the status and the whole answer."""
    parts = urlsplit(site.url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as raw:
        raw.sendall(f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    return int(answer.split()[1]), answer


def test_no_name_in_any_address_leads_to_a_file(site: Served) -> None:
    paths = [path for path, about in site.get("/api/v1/openapi.json").json()["paths"].items() if "get" in about]
    paths += ["/cameras/{name}", "/people/{identity}", "/static/{name}"]
    named = [path for path in paths if "{" in path]
    assert len(named) > 8
    for path in named:
        for way in WAYS_OUT:
            code, answer = raw_get(site, re.sub(r"\{\w+\}", way, path))
            assert code in (307, 400, 404, 405, 422), (path, way, code)
            assert b"root:" not in answer
            assert b"SQLite" not in answer
            assert b"argon2" not in answer


def test_no_name_in_any_query_leads_to_a_file(site: Served) -> None:
    for path, about in site.get("/api/v1/openapi.json").json()["paths"].items():
        given = [one["name"] for one in about.get("get", {}).get("parameters", ()) if one["in"] == "query"]
        for name in set(given) & {"camera", "kind", "run", "name", "file"}:
            filled = re.sub(r"\{\w+\}", "door", path)
            code, answer = raw_get(site, f"{filled}?{name}=..%2f..%2fetc%2fpasswd&at=1")
            assert code in (200, 404, 422), (path, name)
            assert b"root:" not in answer


def test_names_of_cameras_can_be_no_paths(site: Served) -> None:
    for name in ("../x", "a/b", "a\\b", "..", ".", "a\0b", "con:", "x" * 65, "%2e%2e"):
        answer = site.http.post("/api/v1/cameras", json={"url": "rtsp://127.0.0.1:9/x", "name": name})
        assert answer.status_code == 422, name


# the server as a probe of the network that it stands in


@pytest.mark.parametrize(
    "found", [["10.1.0.5", "192.168.0.1"], ["169.254.169.254"], ["fe80::1"], ["::ffff:192.168.0.1"], ["127.0.0.1"]]
)
def test_a_name_that_leads_inside_is_refused(tmp_path: Path, found: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(host: str, *_: object, **__: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in found]

    monkeypatch.setattr(hosts.socket, "getaddrinfo", resolve)
    settings = ServerConfig(networks=("10.1.0.0/16",))
    with pytest.raises(ProblemError, match="url: "):
        addresses.check_address("rtsp://camera.example/stream", settings)


def test_odd_ways_to_write_an_inside_address_are_refused(tmp_path: Path) -> None:
    for host in ("[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::1]", "[::ffff:169.254.169.254]"):
        with pytest.raises(ProblemError, match="no camera stands at such an address"):
            addresses.check_address(f"rtsp://{host}/x", ServerConfig())
    settings = ServerConfig(networks=("10.1.0.0/16",))
    for host in (
        "2130706433",
        "0x7f.1",
        "127.1",
        "0177.0.0.1",
        "[::1]",
        "[::ffff:7f00:1]",
        "localhost",
        "10.1.0.5@127.0.0.1",
    ):
        with pytest.raises(ProblemError, match="url: "):
            addresses.check_address(f"rtsp://{host}/x", settings)


# passwords


def test_passwords_come_back_nowhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "relaytrack")
    caplog.set_level(logging.DEBUG, "uvicorn.error")
    secret = "Tr0ub4dor-secret"
    with served(tmp_path) as site:
        url = f"rtsp://me:{secret}@127.0.0.1:9/stream?token={secret}"
        assert site.http.post("/api/v1/cameras", json={"url": url, "name": "hall"}).status_code == 201
        assert wait_for(lambda: site.get("/api/v1/cameras/hall").json()["state"] != "opening")
        answers = [site.http.patch("/api/v1/cameras/hall", json={"url": url, "transport": "carrier pigeon"})]
        answers += [site.http.post("/api/v1/cameras", json={"url": url, "name": "hall", "colour": "red"})]
        answers += [site.http.post("/api/v1/cameras", content=f'{{"url": "{url}", '.encode())]
        answers += [site.http.put("/api/v1/config/cameras", json={"value": url})]
        answers += [site.http.put(f"/api/v1/users/{secret} x", json={"password": secret, "role": "king"})]
        answers += [site.http.post("/login", data={"name": "root", "password": secret})]
        document = site.get("/api/v1/openapi.json").json()
        for path, about in document["paths"].items():
            if "get" in about and "{" not in path and not path.endswith("/stream"):
                answers.append(site.get(path))
        for path in (
            "/",
            "/cameras",
            "/cameras/hall",
            "/system",
            "/events",
            "/docs",
            "/metrics",
            "/api/v1/openapi.json",
        ):
            answers.append(site.get(path))
        assert len(answers) > 20
        for answer in answers:
            shown = answer.text.replace(f"user '{secret} x'", "")  # a name that one has typed is no secret
            assert secret not in shown, answer.request.url
        assert secret not in (site.site.folder / "audit.jsonl").read_text()
        for event in site.site.events.find():
            assert secret not in event.data
    ours = [record.getMessage() for record in caplog.records if record.name.startswith(("relaytrack", "uvicorn"))]
    assert ours
    assert not [line for line in ours if secret in line and "/v1/users/" not in line]


def test_a_camera_that_is_added_here_leads_nowhere_else_also_after_a_restart(tmp_path: Path) -> None:
    with server("127.0.0.1", lambda _: b"") as inside:
        place = f"rtsp://127.0.0.1:{inside.port}/secret"
        with server("127.0.0.2", rtsp_redirect(place)) as outside:
            url = f"rtsp://127.0.0.2:{outside.port}/x"
            networks = {"networks": ("127.0.0.2/32",)}
            with served(tmp_path, settings=networks) as site:
                tried = site.http.post("/api/v1/cameras/test", json={"url": url})
                assert tried.status_code == 422
                assert "redirects to another address" in tried.json()["detail"]
                assert site.http.post("/api/v1/cameras", json={"url": url, "name": "hall"}).status_code == 201
                assert wait_for(lambda: "redirects" in str(site.get("/api/v1/cameras/hall").json().get("error")))
                refused = site.http.patch("/api/v1/cameras/hall", json={"confined": False})
                assert refused.status_code == 422
                assert "confined: true" in site.file.read_text()
            asked = len(outside.requests)
            with served(tmp_path, settings=networks):
                assert wait_for(lambda: len(outside.requests) > asked)
        assert not inside.requests


def test_addresses_that_cannot_be_confined_stand_in_the_file_only() -> None:
    settings = ServerConfig(schemes=("rtsp", "udp"))
    with pytest.raises(ProblemError, match="only stand in the site's file"):
        addresses.check_address("udp://127.0.0.2:9", settings)
