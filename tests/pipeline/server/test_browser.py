"""The page in a real browser: moving pictures, adding a camera, drawing a zone, phone and dark."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.pipeline.server.test_doubts import see
from tests.support.sites import YAML, Served, served, settled
from tests.support.world import picture, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.needs("chromium")]
sync_api = pytest.importorskip("playwright.sync_api")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A site to look at."""
    with served(tmp_path_factory.mktemp("shown"), fps=10.0) as running:
        yield running


@pytest.fixture
def page(browser: sync_api.Browser) -> Iterator[sync_api.Page]:
    """A page in which no script fails and nothing is refused by the policy."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.set_default_timeout(20_000)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if "Content Security" in message.text else None)
    yield page
    context.close()
    assert not wrong


def pixels(shot: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(int)


@pytest.mark.parametrize("codec", ["jpeg", "h264"])
def test_the_page_shows_moving_video_with_boxes(shown: Served, page: sync_api.Page, codec: str) -> None:
    page.goto(f"{shown.url}/?codec={codec}")
    tile = page.locator(".tile .picture")
    page.locator(".tile .wait").wait_for(state="hidden")
    if codec == "h264" and page.locator(".tile video").is_hidden():
        pytest.skip("this Chromium has no H.264")
    first = pixels(tile.screenshot())
    page.wait_for_timeout(1200)
    second = pixels(tile.screenshot())
    assert (np.abs(first - second).max(axis=2) > 60).sum() > 200, "the person has moved"
    there: list[dict[str, Any]] = []
    assert wait_for(lambda: there.extend(shown.get("/api/v1/tracks").json()["cameras"][0]["people"]) or bool(there))
    person = there[0]["identity"]
    color = next(one for one in shown.get("/api/v1/people").json()["people"] if one["identity"] == person)["color"]
    box = np.array([int(color[at : at + 2], 16) for at in (1, 3, 5)])
    assert (np.abs(second - box).max(axis=2) < 60).sum() > 100, "a box in the person's colour"
    assert page.locator(".tile .state").inner_text() == "live"


def test_the_live_page_asks_once_for_all_that_refreshes(shown: Served, page: sync_api.Page) -> None:
    settled(shown)
    page.goto(shown.url)
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url) if one.resource_type == "fetch" else None)
    page.evaluate(
        """document.querySelectorAll('[data-refresh]').forEach((one) => {
          one.dataset.shown = '';
          one.replaceChildren();
        })"""
    )
    for part in ("#figures b", "#latest li"):
        page.locator(part).first.wait_for()
    page.wait_for_timeout(500)
    assert [url for url in asked if url.rstrip("/") == shown.url] == [shown.url + "/"]


def test_a_camera_is_added_paused_and_removed(tmp_path: Path, page: sync_api.Page) -> None:
    with served(tmp_path) as site:
        page.goto(f"{site.url}/cameras")
        page.locator("summary").click()
        page.locator("#add input[name=url]").fill("/etc/passwd")
        page.locator("#add button[type=submit]").click()
        page.locator("#add .problem", has_text="files cannot be added").wait_for()
        page.locator("#add input[name=url]").fill("rtsp://me:secret@127.0.0.1:9/x")
        page.locator("#add input[name=name]").fill("hall")
        page.locator("#add button[type=submit]").click()
        row = page.locator("tr[data-camera=hall]")
        row.wait_for()
        assert "secret" not in page.content()
        row.get_by_role("button", name="Pause").click()
        row.get_by_role("button", name="Resume").wait_for()
        page.on("dialog", lambda dialog: dialog.accept())
        row.get_by_role("button", name="Remove").click()
        row.wait_for(state="detached")
        assert "hall" not in site.file.read_text()


def test_a_zone_is_drawn_with_the_mouse_and_makes_events(tmp_path: Path, page: sync_api.Page) -> None:
    with served(tmp_path) as site:
        page.goto(f"{site.url}/cameras/door")
        page.locator("[viewBox='0 0 160 120']").wait_for()
        page.get_by_role("button", name="Zone").click()
        box = page.locator(".stage img").bounding_box()
        assert box is not None
        corners = [(0.05, 0.3), (0.95, 0.3), (0.95, 0.97), (0.05, 0.97)]
        for x, y in corners:
            page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
        page.on("dialog", lambda dialog: dialog.accept("mat"))
        page.keyboard.press("Enter")
        page.locator("#shapes li", has_text="mat").wait_for()
        drawn = site.get("/api/v1/cameras/door").json()["zones"]["mat"]
        wanted = [(160 * x, 120 * y) for x, y in corners]
        assert np.abs(np.array(drawn) - np.array(wanted)).max() <= 2, "the picture's own pixels"
        page.goto(f"{site.url}/events?kind=zone_enter")
        page.locator("td", has_text="mat").first.wait_for()


@pytest.mark.needs("rtsp")
def test_an_rtsp_camera_is_tried_added_and_seen(tmp_path: Path, page: sync_api.Page, rtsp_server: Any) -> None:
    with served(tmp_path) as site:
        page.goto(f"{site.url}/cameras")
        page.locator("summary").click()
        page.locator("#add input[name=url]").fill(rtsp_server.url("red"))
        page.locator("#add input[name=name]").fill("yard")
        page.get_by_role("button", name="Test picture").click()
        page.locator("#add img.test").wait_for()
        page.get_by_role("button", name="Add", exact=True).click()
        page.locator("tr[data-camera=yard] .state.running").wait_for()
        page.goto(f"{site.url}/?codec=jpeg")
        tile = page.locator(".tile[data-camera=yard]")
        tile.locator(".wait").wait_for(state="hidden")
        shot = pixels(tile.locator("canvas").screenshot())
        middle = shot[shot.shape[0] // 2, shot.shape[1] // 2]
        assert middle[0] > 180, "the red picture"
        assert middle[1] < 90


def test_people_come_up_by_themselves_and_can_be_named(shown: Served, page: sync_api.Page) -> None:
    page.goto(f"{shown.url}/people")
    page.locator(".card").first.click()
    page.locator("form[data-name] input").fill("Ada")
    page.locator("form[data-name] button").click()
    page.locator("h1", has_text="Ada").wait_for()
    page.goto(f"{shown.url}/people")
    page.locator(".card", has_text="Ada").wait_for()


def test_a_new_event_appears_without_reloading(shown: Served, page: sync_api.Page) -> None:
    page.goto(f"{shown.url}/events")
    page.wait_for_timeout(500)
    shown.site.events.add([{"event": "enter", "time": 1.0, "camera": "attic", "track": 1, "identity": 1}])
    page.locator("td", has_text="attic").first.wait_for()


def test_a_phone_in_the_dark(shown: Served, browser: sync_api.Browser) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 800}, color_scheme="dark")
    page = context.new_page()
    for path in ("/", "/people", "/events", "/cameras", "/cameras/door", "/system"):
        page.goto(shown.url + path)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390, path
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(12, 16, 22)"
        assert page.locator("nav a[aria-current=page]").is_visible()
    context.close()


def test_no_word_is_broken_by_a_narrow_column(tmp_path: Path, browser: sync_api.Browser) -> None:
    title = "Main entrance, revolving door and reception desk, left half"
    zones = {"Waiting area in front of the reception desk": [[10, 10], [150, 10], [150, 110]]}
    with served(tmp_path) as site:
        person = settled(site)["identity"]
        site.http.patch("/api/v1/cameras/door", json={"title": title, "zones": zones})
        for number in range(4):
            see(site.site.store, person, "gate" if number % 2 else "door", 300.0 + 10 * number, 0.0)
        site.site.events.add([{"event": "enter", "time": 1.0, "camera": "door", "track": 1, "identity": 100001}])
        for width in (390, 1280):
            context = browser.new_context(viewport={"width": width, "height": 800})
            page = context.new_page()
            for path in ("/events", "/cameras", "/cameras/door", f"/people/{person}", "/system", "/docs", "/people"):
                page.goto(site.url + path)
                assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)
                broken = page.evaluate(
                    """[...document.querySelectorAll('.chip, .tag, .state, td b, td time, .kind')].filter((one) => {
                      const words = one.textContent.trim().split(/\\s+/);
                      return one.getClientRects().length > words.length;
                    }).map((one) => one.textContent)"""
                )
                assert not broken, (path, width, broken)
            page.goto(f"{site.url}/cameras/door")
            page.locator(".stage text").wait_for()
            page.wait_for_function(
                """() => {
                  const stage = document.querySelector('.stage svg').getBoundingClientRect();
                  return [...document.querySelectorAll('.stage text')].every((one) => {
                    const box = one.getBoundingClientRect();
                    return box.left >= stage.left - 1 && box.right <= stage.right + 1;
                  });
                }"""
            )
            context.close()


def test_the_second_of_two_operators_is_told_and_goes_on(tmp_path: Path, browser: sync_api.Browser) -> None:
    with served(tmp_path) as site:
        pages = [browser.new_page() for _ in range(2)]
        for page in pages:
            page.goto(f"{site.url}/cameras/door")
            page.locator("[viewBox='0 0 160 120']").wait_for()

        def draw(page: sync_api.Page, name: str) -> None:
            page.once("dialog", lambda dialog: dialog.accept(name))
            page.get_by_role("button", name="Line", exact=True).click()
            box = page.locator(".stage img").bounding_box()
            assert box is not None
            for x in (0.2, 0.8):
                page.mouse.click(box["x"] + x * box["width"], box["y"] + 0.5 * box["height"])

        first, second = pages
        draw(first, "north")
        first.locator("#shapes li", has_text="north").wait_for()
        draw(second, "south")
        second.locator("#notes", has_text="somebody else has changed this camera").wait_for()
        second.locator("#shapes li", has_text="north").wait_for()  # what the other one has made
        assert list(site.get("/api/v1/cameras/door").json()["lines"]) == ["north"]
        draw(second, "south")
        second.locator("#shapes li", has_text="south").wait_for()
        assert sorted(site.get("/api/v1/cameras/door").json()["lines"]) == ["north", "south"]
        for page in pages:
            page.close()


def test_a_cameras_address_and_rate_are_changed(tmp_path: Path, page: sync_api.Page) -> None:
    with served(tmp_path) as site:
        site.http.post("/api/v1/cameras", json={"url": "rtsp://me:secret@127.0.0.1:9/x", "name": "hall"})
        page.goto(f"{site.url}/cameras/hall")
        form = page.locator("form[data-connection]")
        save = form.get_by_role("button", name="Save")

        def unfold() -> None:
            if not form.is_visible():
                page.locator("summary").click()

        unfold()
        save.click()
        form.locator(".problem", has_text="nothing is changed").wait_for()
        form.locator("[name=max_fps]").fill("5")
        form.locator("[name=transport]").select_option("udp")
        with page.expect_navigation():
            save.click()
        text = site.file.read_text()
        assert "rtsp://me:secret@127.0.0.1:9/x" in text, "the address stays with its password"
        assert "max_fps: 5" in text
        assert "transport: udp" in text
        unfold()
        form.locator("[name=url]").fill("file:///etc/passwd")
        save.click()
        form.locator(".problem", has_text="cannot be added").wait_for()
        form.locator("[name=url]").fill("rtsp://127.0.0.1:9/other")
        form.locator("[name=max_fps]").fill("")
        with page.expect_navigation():
            save.click()
        assert "secret" not in site.file.read_text()
        assert "max_fps" not in site.file.read_text()


def test_the_keyboard_reaches_everything(shown: Served, page: sync_api.Page) -> None:
    page.goto(shown.url)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.className") == "picture":
            break
    page.keyboard.press("Enter")
    assert "large" in (page.locator(".tile").get_attribute("class") or "")
    page.keyboard.press("Escape")
    assert "large" not in (page.locator(".tile").get_attribute("class") or "")


def test_a_person_is_found_by_a_picture_and_merged(tmp_path: Path, page: sync_api.Page) -> None:
    file = tmp_path / "person.png"
    Image.fromarray(picture(20)).save(file)
    with served(tmp_path / "site") as site:
        person = settled(site)["identity"]
        with site.site.store.writing() as database:
            database.execute(
                """INSERT INTO sightings (run, camera, track, identity, first, last, frames, quality)
                VALUES (1, 'gate', 5, 77, 100, 120, 9, 0.5)"""
            )
        page.goto(f"{site.url}/search")
        page.locator("#drop input").set_input_files(file)
        page.locator("#matches .card").first.click()
        page.wait_for_url(f"**/people/{person}")
        page.locator("form[data-merge] select").select_option("77")
        page.locator("form[data-merge] button").click()
        page.locator("dd", has_text="door, gate").wait_for()
        assert site.get("/api/v1/people/77").status_code == 404


def test_a_click_on_a_sighting_plays_its_moment(tmp_path: Path, page: sync_api.Page) -> None:
    (tmp_path / "site.yaml").write_text(YAML + f"output: {{dir: {tmp_path / 'recordings'}}}\n")
    with served(tmp_path) as site:
        person = settled(site)["identity"]
        page.wait_for_timeout(2500)
        page.goto(f"{site.url}/people/{person}")
        sighting = site.get(f"/api/v1/people/{person}").json()["sightings"][-1]
        page.locator(".card button.picture").last.click()
        video = page.locator("dialog.player video")
        video.wait_for()
        page.wait_for_function("() => document.querySelector('.player video').readyState >= 2")
        found = site.get(f"/api/v1/recordings/moment?camera=door&at={sighting['first']}").json()
        begun = page.evaluate("document.querySelector('.player video').currentTime")
        assert abs(begun - found["offset"]) < 1.0, "within a second of the sighting"
        assert page.evaluate("document.querySelector('.player video').videoWidth") == 160
        page.get_by_role("button", name="Close").click()
        page.locator(".lane .bar").first.focus()
        page.keyboard.press("Enter")
        video.wait_for()
        page.keyboard.press("Escape")
        page.goto(f"{site.url}/events?kind=enter")
        page.locator("td .actions, td.actions button").first.click()
        video.wait_for()
        page.wait_for_function("() => document.querySelector('.player video').readyState >= 2")


def test_doubtful_decisions_are_decided_with_buttons(tmp_path: Path, page: sync_api.Page) -> None:
    with served(tmp_path) as site:
        person = settled(site)["identity"]
        for number, degrees in ((60, 0.0), (61, 5.0)):
            see(site.site.store, number, "gate", 100.0 * number, degrees)
        see(site.site.store, person, "gate", 290.0, 0.0)
        odd = see(site.site.store, person, "gate", 300.0, 80.0)
        page.goto(f"{site.url}/people/{person}")
        rows = page.locator("#doubts .doubt-row")
        rows.nth(2).wait_for()
        assert rows.nth(0).locator("img").count() == 2, "both pictures, side by side"
        rows.filter(has_text="Person 60").get_by_role("button", name="Not the same").click()
        rows.nth(2).wait_for(state="detached")
        rows.filter(has_text="Person 61").get_by_role("button", name="Same person").click()
        rows.nth(1).wait_for(state="detached")
        assert site.get("/api/v1/people/61").status_code == 404
        page.locator(f"[data-sighting='{odd}']", has_text="Not the same").click()
        page.locator("#doubts").wait_for(state="detached")
        assert len(site.get("/api/v1/people/100001").json()["sightings"]) == 1


def test_every_button_of_a_person_works(tmp_path: Path, page: sync_api.Page) -> None:
    with served(tmp_path) as site:
        person = settled(site)["identity"]
        path = f"{site.url}/people/{person}"
        extra = see(site.site.store, person, "gate", 300.0, 0.0)
        page.goto(path)
        page.get_by_role("button", name="Watch for this person").click()
        page.locator(".tag", has_text="watched").wait_for()
        page.get_by_role("button", name="Stop watching").click()
        page.get_by_role("button", name="Watch for this person").wait_for()
        page.locator(f".pick[value='{extra}']").check()
        page.locator("[data-split]").click()
        page.wait_for_url("**/people/100001")
        page.get_by_role("link", name="Who looks alike").click()
        page.locator("#matches .card").first.wait_for()
        page.goto(f"{site.url}/people/100001")
        page.on("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name="Forget").click()
        page.wait_for_url("**/people")
        assert site.get("/api/v1/people/100001").status_code == 404


def test_region_and_floor_points_by_mouse_and_a_new_name(tmp_path: Path, page: sync_api.Page) -> None:
    with served(tmp_path) as site:
        page.goto(f"{site.url}/cameras/door")
        page.locator("[viewBox='0 0 160 120']").wait_for()
        said = iter(["0, 0", "ten", "10 0", "10, 5", "0; 5"])
        page.on("dialog", lambda dialog: dialog.accept(next(said)))

        def click(x: float, y: float) -> None:
            box = page.locator(".stage img").bounding_box()
            assert box is not None
            page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])

        for place, (x, y) in enumerate([(0.1, 0.4), (0.5, 0.5), (0.9, 0.4), (0.9, 0.9), (0.1, 0.9)]):
            page.get_by_role("button", name="Floor point", exact=True).click()
            click(x, y)
            if place == 1:
                page.locator("#notes", has_text="two numbers are needed").wait_for()
        page.locator("#notes", has_text="saved").wait_for()
        camera = site.get("/api/v1/cameras/door").json()
        assert [point[2:] for point in camera["ground_points"]] == [[0, 0], [10, 0], [10, 5], [0, 5]]
        assert abs(camera["ground_points"][0][0] - 16) <= 1
        page.get_by_role("button", name="Delete floor point").first.click()
        page.locator("#hint", has_text="3 of 4").wait_for()
        assert site.get("/api/v1/cameras/door").json()["ground"] is False
        page.locator("form[data-title] input").fill("Main door")
        page.get_by_role("button", name="Rename").click()
        page.locator("h1", has_text="Main door").wait_for()
        page.locator("[viewBox='0 0 160 120']").wait_for()
        page.get_by_role("button", name="Region").click()
        click(0.05, 0.25)
        with page.expect_request(
            lambda request: request.method == "PATCH"
        ) as asked:  # this camera of a test has no URL
            click(0.95, 0.95)
        assert np.abs(np.array(asked.value.post_data_json["roi"]) - [8, 30, 144, 84]).max() <= 2


def test_the_map_shows_people_walk_on_the_floor(tmp_path: Path, page: sync_api.Page) -> None:
    with served(tmp_path, fps=10.0) as site:
        points = [[0, 0, 0, 0], [160, 0, 16, 0], [160, 120, 16, 12], [0, 120, 0, 12]]
        site.http.patch("/api/v1/cameras/door", json={"ground": {"points": points}})
        page.goto(f"{site.url}/map")
        page.locator("#floor[data-people='1']").wait_for()
        first = pixels(page.locator("#floor").screenshot())
        page.wait_for_timeout(1500)
        second = pixels(page.locator("#floor").screenshot())
        assert (np.abs(first - second).max(axis=2) > 60).sum() > 50, "somebody walks"
        page.locator("#show-heat").check()
        page.wait_for_timeout(700)
        warm = pixels(page.locator("#floor").screenshot())
        assert ((warm[..., 0] > 200) & (warm[..., 2] < 190)).sum() > 300, "where people stood"
        page.locator("#on-floor a").first.click()
        page.wait_for_url("**/people/*")


def test_settings_are_changed_in_a_form(tmp_path: Path, page: sync_api.Page) -> None:
    with served(tmp_path) as site:
        page.goto(f"{site.url}/system")
        page.locator("[name='server.name']").fill("Harbour")
        page.locator("[name='events.dwell']").fill("4.5")
        enabled = page.locator("#settings label", has_text="events.enabled")
        assert enabled.locator(".tag").inner_text() == "needs a restart"
        page.locator("[name='events.enabled']").select_option("false")
        page.locator("#settings button").click()
        page.locator(".brand", has_text="Harbour").wait_for()
        enabled.locator(".tag", has_text="waits for the next start").wait_for()
        assert page.locator("#settings label", has_text="events.dwell").locator(".tag").count() == 0
        assert site.site.config.events.dwell == 4.5
        assert "dwell: 4.5" in site.file.read_text()
