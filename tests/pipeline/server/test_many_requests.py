"""Many requests at once that each take long: the others do not wait for them, and the memory is not filled."""

from __future__ import annotations

import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from PIL import Image

from relaytrack.pipeline.server.access.uploads import MOST_UPLOADS
from relaytrack.pipeline.server.api import cameras, search
from tests.pipeline.server.test_api import problem
from tests.support.sites import Served, served
from tests.support.world import picture, wait_for


def ask(site: Served, method: str, path: str, **named: object) -> int:
    with httpx.Client(base_url=site.url, timeout=60) as client:
        return client.request(method, path, **named).status_code  # type: ignore[arg-type]


def test_pictures_of_silent_cameras_hold_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(tmp_path) as site, ThreadPoolExecutor(120) as pool:
        site.http.post("/api/v1/cameras", json={"url": "rtsp://127.0.0.1:9/x", "name": "hall"})
        assert wait_for(lambda: site.get("/api/v1/cameras/hall").json()["state"] == "waiting")
        begin = time.monotonic()
        assert problem(site.get("/api/v1/cameras/hall/snapshot.jpg"), 409)["detail"]
        assert time.monotonic() - begin < 1.0, "a camera that gives nothing is not waited for"
        released = threading.Event()
        monkeypatch.setattr(site.site.live, "snapshot", lambda *_, **__: released.wait(30) and None)
        monkeypatch.setattr(cameras, "take_picture", lambda *_: released.wait(30) and b"")
        asked = [pool.submit(ask, site, "GET", "/api/v1/cameras/door/snapshot.jpg") for _ in range(50)]
        address = {"url": "rtsp://127.0.0.1:9/x"}
        asked += [pool.submit(ask, site, "POST", "/api/v1/cameras/test", json=address) for _ in range(10)]
        time.sleep(0.5)
        assert not any(one.done() for one in asked)
        begin = time.monotonic()
        for path in ("/", "/api/v1/people", "/api/v1/status"):
            assert site.get(path).status_code == 200
        assert time.monotonic() - begin < 3.0, "the page and the API go on"
        released.set()
        assert {one.result(60) for one in asked} <= {200, 409}


def test_pictures_are_searched_for_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    Image.fromarray(picture(20)).save(file, "PNG")
    decode, inside, most = search.decode_picture, [0], [0]
    released = threading.Event()

    def slowly(data: bytes) -> object:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        released.wait(20)
        try:
            return decode(data)
        finally:
            inside[0] -= 1

    monkeypatch.setattr(search, "decode_picture", slowly)
    with served(tmp_path) as site, ThreadPoolExecutor(30) as pool:
        content = file.getvalue()
        asked = [pool.submit(ask, site, "POST", "/api/v1/search", content=content) for _ in range(20)]
        assert wait_for(lambda: sum(one.done() for one in asked) >= 20 - MOST_UPLOADS), "too many are sent away"
        assert site.get("/api/v1/status").status_code == 200
        released.set()
        codes = [one.result(60) for one in asked]
        assert codes.count(200) == MOST_UPLOADS
        assert codes.count(503) == 20 - MOST_UPLOADS
        assert most[0] == 1, "one picture is in the memory, decoded, at a time"
