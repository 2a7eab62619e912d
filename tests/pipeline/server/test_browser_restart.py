"""`kill -9` of the server while somebody looks on: the page comes back by itself, and everybody is known again."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import httpx
import pytest

from tests.support.serving import serving
from tests.support.world import wait_for

pytestmark = [pytest.mark.browser, pytest.mark.needs("chromium")]
sync_api = pytest.importorskip("playwright.sync_api")
SAMPLES = Path(__file__).resolve().parents[3] / "samples"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def test_after_a_kill_everybody_is_there_with_number_name_and_picture(
    tmp_path: Path, browser: sync_api.Browser
) -> None:
    site = tmp_path / "site.yaml"
    camera = f"{{name: west, url: {SAMPLES / 'west.mp4'}, live: true, loop: true, max_fps: 4}}"
    site.write_text(f"cameras: [{camera}]\n")
    arguments, port = (str(site), "--dir", str(tmp_path / "s")), free_port()  # an open page seeks the same port
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.set_default_timeout(60_000)
    with serving(*arguments, port=port) as server, httpx.Client(base_url=server.url, timeout=30) as client:
        assert wait_for(lambda: [one for one in client.get("/api/v1/people").json()["people"] if one["picture"]], 90)
        person = next(one for one in client.get("/api/v1/people").json()["people"] if one["picture"])
        identity, picture = person["identity"], person["picture"]
        assert client.patch(f"/api/v1/people/{identity}", json={"name": "Ada"}).status_code == 200
        picture = client.get(f"/api/v1/people/{identity}").json()["picture"]
        events = [one["id"] for one in client.get("/api/v1/events?limit=1000").json()["events"]]
        known = {one["identity"] for one in client.get("/api/v1/people").json()["people"]}
        page.goto(f"{server.url}/people")
        page.locator(".card", has_text="Ada").wait_for()
        live = browser.new_page()
        live.goto(server.url)
        live.locator(".tile .wait").wait_for(state="hidden", timeout=60_000)
        server.process.send_signal(signal.SIGKILL)
        server.process.wait(20)
        live.locator(".tile .wait", has_text="connecting again").wait_for(timeout=30_000)
    with serving(*arguments, port=port) as server, httpx.Client(base_url=server.url, timeout=30) as client:
        live.locator(".tile .wait").wait_for(state="hidden", timeout=90_000)  # nobody has touched that page
        page.reload()
        page.locator(".card", has_text="Ada").click()
        page.wait_for_url(f"**/people/{identity}")
        page.locator("h1", has_text="Ada").wait_for()
        page.wait_for_function("document.querySelector('.portrait').naturalWidth > 0")
        assert client.get(f"/api/v1/pictures/{picture}.jpg").content[:2] == b"\xff\xd8"
        assert known <= {one["identity"] for one in client.get("/api/v1/people").json()["people"]}
        after = [one["id"] for one in client.get("/api/v1/events?limit=1000").json()["events"]]
        assert set(events) <= set(after), "and every event that was told"
        server.end()
    page.context.close()
    live.close()
