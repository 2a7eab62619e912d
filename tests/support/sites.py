"""A site of the made-up world, served on a free port by a thread of the test."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from relaytrack.pipeline.config.loading import load_config
from relaytrack.pipeline.server.serving import address_of, bind, make_server
from relaytrack.pipeline.server.site import Site
from relaytrack.pipeline.server.site_file import SiteFile
from relaytrack.pipeline.server.site_opening import open_site
from tests.support.world import Eyes, Looks, Walk, wait_for

YAML = """\
# the site of a test
cameras:
  - name: door  # where people come in
    url: own:door
"""


@dataclass
class Served:
    """A site that runs.

    Attributes:
        url: its address, without a slash at the end.
        site: the site.
        http: a client without any log-in.
        file: its YAML file.
    """

    url: str
    site: Site
    http: httpx.Client
    file: Path

    def get(self, path: str, **named: Any) -> httpx.Response:
        """GET."""
        return self.http.get(path, **named)


@contextmanager
def served(
    folder: Path,
    *,
    settings: Mapping[str, Any] | None = None,
    users: Mapping[str, str] | None = None,
    fps: float = 20.0,
) -> Iterator[Served]:
    """Serve a site with one camera, `door`, whose person walks.

    Args:
        folder: for its file and memory.
        settings: of the section `server`.
        users: name and role; the password is the name and "-password".
        fps: the camera's rate.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "site.yaml"
    if not file.exists():
        file.write_text(YAML)
    kept = {"retain_days": None}  # the made-up world's clock stands in 2001
    overrides = {f"server.{key}": value for key, value in {**kept, **(settings or {})}.items()}
    config = load_config(file, overrides={"server.dir": str(folder / "site"), "server.port": 0, **overrides})
    site = open_site(
        config,
        SiteFile(file, folder / "history"),
        sources=[Walk("door", None, live=True, fps=fps)],
        detector=Eyes(),
        embedder=Looks(),
    )
    for name, role in (users or {}).items():
        site.accounts.set_user(name, f"{name}-password", role)  # type: ignore[arg-type]
    with answering(site, file) as running:
        yield running


@contextmanager
def answering(site: Site, file: Path) -> Iterator[Served]:
    """Start a site and answer requests to it.

    Args:
        site: put together, not started.
        file: its YAML file.
    """
    settings = site.config.server
    site.pipeline.start()
    site.watch.start()
    listening = bind(settings)
    server = make_server(site)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    assert wait_for(lambda: server.started)
    url = address_of(listening, settings).rstrip("/")
    try:
        with httpx.Client(base_url=url, timeout=20) as client:
            yield Served(url, site, client, file)
    finally:
        server.should_exit = True
        site.stop()
        thread.join(10)
        site.close()
        listening.close()


@contextmanager
def log_in(served: Served, name: str) -> Iterator[httpx.Client]:
    """A client that has logged in as a user, with the header that forms need."""
    with httpx.Client(base_url=served.url, timeout=20) as client:
        answer = client.post("/login", data={"name": name, "password": f"{name}-password"})
        assert answer.status_code == 303, answer.text
        page = client.get("/").text
        client.headers["x-csrf-token"] = page.split('name="csrf" content="')[1].split('"')[0]
        yield client


def settled(served: Served, limit: float = 20.0) -> dict[str, Any]:
    """Wait until the site knows a person with a picture, and return them."""
    until = time.monotonic() + limit
    while time.monotonic() < until:
        people = served.get("/api/v1/people").json()["people"]
        if people and people[0]["picture"]:
            return dict(people[0])
        time.sleep(0.1)
    raise AssertionError("nobody came")


def socket_refusal(served: Served, path: str, **headers: str) -> int:
    """The status with which a WebSocket's handshake is answered (101: it opens)."""
    parts = urlsplit(served.url)
    lines = {
        "Host": parts.netloc,
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        **headers,
    }
    text = f"GET {path} HTTP/1.1\r\n" + "".join(f"{key}: {value}\r\n" for key, value in lines.items()) + "\r\n"
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as raw:
        raw.sendall(text.encode())
        return int(raw.recv(4096).split()[1])
