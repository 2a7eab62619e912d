"""axe-core looks at every page, light and dark, wide and narrow, and finds nothing serious."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import axe_script
from tests.support.sites import Served, served, settled
from tests.support.world import wait_for

pytestmark = [pytest.mark.browser, pytest.mark.needs("chromium"), pytest.mark.needs("axe")]
sync_api = pytest.importorskip("playwright.sync_api")
RUN = "() => axe.run(document, {resultTypes: ['violations']})"


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A site with a person, a zone, events and a camera that does not answer."""
    with served(tmp_path_factory.mktemp("busy"), fps=10.0) as running:
        settled(running)
        zone = {"zones": {"mat": [[0, 0], [159, 0], [159, 119], [0, 119]]}}
        assert running.http.patch("/api/v1/cameras/door", json=zone).status_code == 200
        away = {"url": "rtsp://127.0.0.1:9/x", "name": "away"}
        assert running.http.post("/api/v1/cameras", json=away).status_code == 201
        assert wait_for(lambda: running.get("/api/v1/events").json()["events"])
        yield running


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)], ids=lambda value: str(value)
)
def test_no_page_has_serious_faults(busy: Served, browser: Any, scheme: str, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.set_default_timeout(30_000)
    waiting, seen, faults = ["/"], set(), []
    while waiting:
        path = waiting.pop(0)
        if path in seen:
            continue
        seen.add(path)
        page.goto(busy.url + path, wait_until="domcontentloaded")
        page.wait_for_timeout(300)
        waiting += page.eval_on_selector_all("a[href^='/']", "found => found.map(link => link.getAttribute('href'))")
        waiting = [one for one in waiting if not one.startswith(("/api/", "/static/", "/metrics")) and "?" not in one]
        faults += _faults(page, path)
    context.close()
    assert {"/", "/people", "/search", "/events", "/cameras", "/cameras/door", "/system", "/docs"} <= seen
    assert any(path.startswith("/people/") for path in seen)
    assert not faults, "\n".join(faults)


def test_the_log_in_page_has_none(tmp_path: Path, browser: Any) -> None:
    with served(tmp_path, users={"root": "admin"}) as site:
        for scheme in ("light", "dark"):
            page = browser.new_page(color_scheme=scheme)
            page.goto(f"{site.url}/login")
            page.fill("input[name=name]", "root")
            page.fill("input[name=password]", "wrong")
            page.keyboard.press("Enter")
            page.wait_for_selector("text=wrong")
            assert not _faults(page, f"/login {scheme}")
            page.close()


def _faults(page: Any, path: str) -> list[str]:
    page.evaluate(axe_script().read_text(encoding="utf-8"))
    found = page.evaluate(RUN)["violations"]
    return [
        f"{path}: {one['impact']} {one['id']}: {one['help']}: {node['html'][:160]}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"][:3]
    ]
