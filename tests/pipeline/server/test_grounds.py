"""Why a person has their number: in the API, in events and on the pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relaytrack.pipeline.records import FrameInfo, FrameTracks, Step
from relaytrack.pipeline.results.correction import Correction
from relaytrack.pipeline.server import people_rows
from relaytrack.pipeline.server.people import People
from relaytrack.pipeline.server.store import SiteStore
from relaytrack.trackers import Revision
from tests.pipeline.server.test_corrections import other_person
from tests.support.sites import served, settled
from tests.support.world import wait_for


def seen(camera: str, track: int, identity: int, *look: float) -> FrameTracks:
    vector = np.array([look], np.float32)
    return FrameTracks(
        FrameInfo(camera, 1, 1.0, (100, 100), epoch=1e9),
        np.array([track], np.int64),
        np.array([identity], np.int64),
        np.array([[10, 10, 30, 60]], np.float32),
        np.ones(1, np.float32),
        embeddings=vector / np.linalg.norm(vector),
    )


def test_grounds_and_earlier_numbers_outlive_a_restart(tmp_path: Path) -> None:
    store = SiteStore(tmp_path / "site.sqlite")
    people = People(store, run=1)
    people.write(Step(1.0, tracks=(seen("west", 1, 6, 1, 0), seen("east", 1, 9, 1, 0.2), seen("east", 2, 4, 0, 1))))
    people.write(Step(2.0, revisions=(Revision("merge", 9, 6, "east", 1, 1.0, score=2.25),)))
    people.write(Step(3.0, revisions=(Revision("merge", 9, 6, "east", 1, 1.0, score=2.25),)))  # told twice
    people.close()
    store.close()
    people = People(SiteStore(tmp_path / "site.sqlite"), run=2)
    grounds = people.grounds(6)
    assert (grounds.state, grounds.rival) == ("revised", 4)
    assert grounds.similarity is not None
    assert grounds.similarity > 0.95
    [former] = people.former(6)
    assert (former.id, former.kind, former.score, former.camera) == (9, "merge", 2.25, "east")
    assert people.grounds(4).state == "new"
    assert sorted((one.identity, one.camera) for one in people.earlier()) == [(4, "east"), (6, "east"), (6, "west")]
    people.forget(6)
    assert people.former(6) == []
    assert not people.earlier()[1:]


def test_a_correction_from_elsewhere_counts_for_who_is_in_view(tmp_path: Path) -> None:
    people = People(SiteStore(tmp_path / "site.sqlite"), run=1)
    people.write(Step(1.0, tracks=(seen("west", 1, 6, 1, 0),)))
    people.write(Step(1.1, tracks=(seen("east", 1, 6, 1, 0),)))  # not in the file yet
    people.corrected(Correction("split", 6, 100_001, {("east", 1): (1.0, 2.0)}))
    [former] = people.former(100_001)
    assert (former.id, former.kind, former.camera) == (6, "manual", "east")


def test_the_corrections_of_a_step_are_one_transaction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    people = People(SiteStore(tmp_path / "site.sqlite"), run=1)
    tracks = [seen("west", track, 9, 1, 0) for track in range(1, 9)]
    for one in tracks:
        people.write(Step(1.0, tracks=(one,)))
    people.flush()
    writes = []
    revise = people_rows.revise
    monkeypatch.setattr(people_rows, "revise", lambda *given: (writes.append(given[0].total_changes), revise(*given)))
    begun = []
    writing = people._store.writing
    monkeypatch.setattr(people._store, "writing", lambda: (begun.append(len(writes)), writing())[1])
    people.write(Step(2.0, revisions=tuple(Revision("merge", 9, 6, "west", track, 1.0) for track in range(1, 9))))
    assert len(writes) == 8
    assert begun.count(0) == 1
    assert not set(begun) & set(range(1, 8)), "no other one is begun between them"
    assert len(people.former(6)) == 8


def test_a_person_and_their_events_say_why(tmp_path: Path) -> None:
    with served(tmp_path) as site:
        person = settled(site)["identity"]
        other_person(site)
        entered = site.get("/api/v1/events?kind=enter").json()["events"][-1]
        assert entered["grounds"]["state"] == "new"
        assert entered["former"] == []
        assert "somebody new" in site.get("/").text
        assert "somebody new" in site.get("/events").text
        about = site.get(f"/api/v1/people/{person}").json()
        assert about["grounds"] == {
            "state": "new",
            "similarity": None,
            "margin": None,
            "rival": 77,
            "nearest": 0.0,
        }
        assert "somebody new, most like 77 with 0.00" in site.get(f"/people/{person}").text
        merged = site.http.post("/api/v1/people/77/merge", json={"other": person}).json()
        assert merged["grounds"]["state"] == "revised"
        assert (merged["former"][0]["id"], merged["former"][0]["kind"]) == (person, "manual")
        page = site.get("/people/77").text
        assert "corrected, now taken for 77, seen in door and gate, similarity 0.00" in page
        assert "by hand" in page
        table = site.get("/api/v1/events/export.csv?kind=enter").text.splitlines()
        assert table[0].endswith("state,similarity,margin,rival,nearest,score")
        assert ",new," in table[1]


def test_somebody_known_is_nobody_new_after_a_restart(tmp_path: Path) -> None:
    with served(tmp_path) as site:
        person = settled(site)["identity"]
        newest = site.site.events.newest()
    with served(tmp_path) as site:
        assert settled(site)["identity"] == person

        def entries() -> list[dict[str, Any]]:
            events = site.get("/api/v1/events?kind=enter").json()["events"]
            return [event for event in events if event["id"] > newest]

        assert wait_for(entries)
        found, entered = site.site.events.find(after=newest), entries()
        assert entered[-1]["identity"] == person
        assert entered[-1]["grounds"]["state"] == "matched"
        assert entered[-1]["grounds"]["similarity"] == 1.0
        assert entered[-1]["grounds"]["cameras"] == ["door"]
        assert not [event for event in found if '"event": "identity"' in event.data]
