"""Whoever loses access loses it at once: streams that are open end, and the command line needs no restart."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from relaytrack.pipeline.cli.main import main
from tests.support.sites import Served, log_in, served
from tests.support.world import wait_for

USERS = {"root": "admin", "vera": "viewer"}


def open_socket(site: Served, path: str, headers: dict[str, str]) -> ClientConnection:
    return connect(f"{site.url.replace('http', 'ws')}{path}", additional_headers=headers, close_timeout=0.3)


def ended_with(socket: ClientConnection, limit: int = 200) -> int | None:
    """The code with which the other side closes, None if it sends on for `limit` messages."""
    try:
        for _ in range(limit):
            socket.recv(timeout=10)
    except ConnectionClosed as error:
        return None if error.rcvd is None else error.rcvd.code
    return None


@pytest.mark.parametrize("path", ["/api/v1/cameras/door/live", "/api/v1/events/socket?since=0"])
def test_an_open_socket_ends_when_its_user_is_removed(tmp_path: Path, path: str) -> None:
    with served(tmp_path, users=USERS) as site, log_in(site, "vera") as vera:
        cookie = "; ".join(f"{name}={value}" for name, value in vera.cookies.items())
        with open_socket(site, path, {"Cookie": cookie}) as socket:
            socket.recv(timeout=10)
            with log_in(site, "root") as root:
                assert root.delete("/api/v1/users/vera").status_code == 204
            site.site.events.add([{"event": "enter", "camera": "door", "identity": 1}])
            assert ended_with(socket) == 4401


def test_an_open_stream_ends_when_its_token_is_revoked(tmp_path: Path) -> None:
    with served(tmp_path, users=USERS, fps=0.01) as site:
        text, token = site.site.accounts.add_token("vera", "viewer", "")
        headers = {"authorization": f"Bearer {text}"}
        with httpx.stream("GET", f"{site.url}/api/v1/events/stream", headers=headers, timeout=20) as stream:
            lines = stream.iter_lines()
            next(lines)
            site.site.accounts.revoke(token.id)
            site.site.events.add([{"event": "enter", "camera": "door", "identity": 4711}])
            assert "4711" not in "".join(lines), "it ends, and tells nothing more"


def said(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text + "\n"))


def user(site: Served, *arguments: str) -> int:
    return main(["user", *arguments, "--dir", str(site.site.folder)])


def test_the_first_user_of_the_command_line_closes_the_door_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(tmp_path) as site, open_socket(site, "/api/v1/cameras/door/live", {}) as socket:
        socket.recv(timeout=10)
        assert site.get("/api/v1/cameras").status_code == 200
        said(monkeypatch, "a good password")
        assert user(site, "add", "root", "--role", "admin") == 0
        assert site.get("/api/v1/cameras").status_code == 401
        assert ended_with(socket) == 4401, "who was looking on has to log in, too"


def test_who_is_removed_on_the_command_line_stays_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(tmp_path, users=USERS) as site, log_in(site, "vera") as vera, log_in(site, "root") as root:
        assert vera.get("/api/v1/cameras").status_code == 200
        assert user(site, "remove", "vera") == 0
        assert vera.get("/api/v1/cameras").status_code == 401
        body = {"password": "0123456789", "role": "viewer"}
        assert root.put("/api/v1/users/eve", json=body).status_code == 200, "the others are still logged in"
        assert '"vera"' not in (site.site.folder / "accounts.json").read_text(), "a later change brings nobody back"
        said(monkeypatch, "another password")
        assert user(site, "add", "root", "--role", "admin") == 0
        assert root.get("/api/v1/cameras").status_code == 401, "a new password ends the sessions"


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_text('{"users": []')])
def test_a_file_of_accounts_that_is_gone_opens_no_door(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    with served(tmp_path, users=USERS) as site, log_in(site, "root") as root:
        spoil(site.site.folder / "accounts.json")
        assert site.get("/api/v1/cameras").status_code == 401
        assert root.get("/api/v1/cameras").status_code == 200
        assert wait_for(lambda: root.get("/ready").status_code == 200)
