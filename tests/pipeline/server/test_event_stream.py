"""Events over Server-Sent Events: in order, as they come, and from where a reader stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx

from relaytrack.pipeline.server.event_log import EventLog, Resumed
from relaytrack.pipeline.server.store import SiteStore
from tests.support.sites import Served, served


def messages(site: Served, **headers: str) -> Iterator[tuple[str, dict[str, object]]]:
    """(event, data) one after the other."""
    with httpx.stream("GET", f"{site.url}/api/v1/events/stream", headers=headers, timeout=10) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        kind = ""
        for line in answer.iter_lines():
            if line.startswith("event: "):
                kind = line[7:]
            elif line.startswith("data: "):
                yield kind, json.loads(line[6:])


def event(number: int) -> dict[str, object]:
    return {"event": "enter", "time": float(number), "camera": "door", "track": number, "identity": number}


def test_a_reader_goes_on_where_it_stopped(tmp_path: Path) -> None:
    with served(tmp_path) as site:
        site.site.events.add([event(number) for number in range(900, 905)])
        stream = messages(site, **{"Last-Event-ID": "0"})
        assert next(stream)[0] == "hello"
        got = [next(stream) for _ in range(5)]
        ids = [int(str(data["id"])) for _, data in got]
        assert ids == sorted(ids)
        stream.close()
        again = messages(site, **{"Last-Event-ID": str(ids[2])})
        next(again)
        assert int(str(next(again)[1]["id"])) == ids[3]
        again.close()


def test_new_events_come_at_once(tmp_path: Path) -> None:
    with served(tmp_path, fps=0.01) as site:
        stream = messages(site)
        next(stream)
        site.site.events.add([event(777)])
        for kind, data in stream:
            if data.get("identity") == 777:
                assert kind == "message"
                break
        stream.close()


def test_deleted_events_are_told_as_a_gap(tmp_path: Path) -> None:
    with served(tmp_path) as site:
        site.site.events.add([event(number) for number in range(10)])
        with site.site.store.writing() as database:
            database.execute("DELETE FROM events WHERE id <= 5")
        stream = messages(site, **{"Last-Event-ID": "1"})
        next(stream)
        kind, data = next(stream)
        assert (kind, data["oldest"]) == ("gap", 6)
        stream.close()
        assert site.get("/api/v1/events/stream", headers={"Last-Event-ID": "x"}).status_code == 422


def test_a_number_of_another_site_is_told_and_nothing_is_left_out(tmp_path: Path) -> None:
    """Fault: whoever knew a larger number, as of a memory that was lost, missed all events without a word."""
    log = EventLog(SiteStore(tmp_path / "site.sqlite"))
    log.add([event(number) for number in range(5)])
    assert log.resume(None) == Resumed(5, 5)
    assert log.resume(5) == Resumed(5, 5)
    assert log.resume(0) == Resumed(0, 5)
    assert log.resume(5000) == Resumed(0, 5, {"after": 5000, "oldest": 1})


def test_a_browser_that_connects_again_goes_on_where_it_was(tmp_path: Path) -> None:
    """Fault: the address's `after` went before the header, so that everything came again with every connection."""
    with served(tmp_path, fps=0.01) as site:
        site.site.events.add([event(number) for number in range(10)])
        with site.http.stream(
            "GET", "/api/v1/events/stream?after=1", headers={"Last-Event-ID": str(site.site.events.newest())}
        ) as answer:
            first = next(line for line in answer.iter_lines() if line.startswith("id: "))
        assert first == f"id: {site.site.events.newest()}"


def test_numbers_go_on_after_everything_was_deleted(tmp_path: Path) -> None:
    store = SiteStore(tmp_path / "site.sqlite")
    log = EventLog(store)
    log.add([event(1), event(2)])
    with store.writing() as database:
        database.execute("DELETE FROM events")
    log.add([event(3)])
    assert [found.id for found in log.find()] == [3]
    assert (log.oldest(), log.newest()) == (3, 3)
    store.close()


def test_events_are_filtered_and_exported(site: Served) -> None:
    site.site.events.add([{**event(5), "camera": "gate", "event": "dwell"}])
    found = site.get("/api/v1/events?camera=gate&kind=dwell").json()["events"]
    assert found[0]["identity"] == 5
    lines = site.get("/api/v1/events/export.jsonl").text.splitlines()
    assert any(json.loads(line)["camera"] == "gate" for line in lines)
    assert not site.get("/api/v1/events?camera=gate&kind=enter").json()["events"]


def test_the_page_tells_what_was_dropped_and_shows_kinds_that_it_does_not_know(tmp_path: Path) -> None:
    """Fault: how much was dropped was not said; an event of a later version, or of a plug-in, was a server error."""
    with served(tmp_path, fps=0.01) as site:
        about = [
            {"event": "overloaded", "dropped": 0.44},
            {"event": "adapted", "level": 1, "saved": ["smaller pictures"]},
            {"event": "adapted", "level": 0, "saved": []},
            {"event": "seen_by_moonlight"},
        ]
        site.site.events.add([{**event(0), **one} for one in about])
        page = site.get("/events")
        assert page.status_code == 200
        for said in ("44 % of the frames", "smaller pictures", "full effort again", "seen by moonlight"):
            assert said in page.text
