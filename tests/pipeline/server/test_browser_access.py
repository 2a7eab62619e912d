"""Logging in and out in a real browser, which sends headers that no other client does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.sites import served

pytestmark = [pytest.mark.browser, pytest.mark.needs("chromium")]
sync_api = pytest.importorskip("playwright.sync_api")


def test_one_logs_in_changes_something_and_logs_out(tmp_path: Path, browser: sync_api.Browser) -> None:
    with served(tmp_path, users={"root": "admin"}) as site:
        context = browser.new_context()
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.goto(f"{site.url}/people")
        assert page.url.endswith("/login"), "one has to log in first"
        page.fill("input[name=name]", "root")
        page.fill("input[name=password]", "root-password")
        page.keyboard.press("Enter")
        page.wait_for_selector("nav")
        page.goto(f"{site.url}/cameras")
        page.get_by_role("button", name="Pause").first.click()
        page.wait_for_selector("text=paused")
        page.get_by_role("button", name="Log out").click()
        page.wait_for_url("**/login")
        page.goto(f"{site.url}/people")
        assert page.url.endswith("/login")
        context.close()
