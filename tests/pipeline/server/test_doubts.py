"""Doubtful decisions: found by looks, decided once, and held against the association; walks between cameras."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from relaytrack.pipeline.identity.corrections import Corrections
from relaytrack.pipeline.server import people_rows
from relaytrack.pipeline.server.doubts import Doubts
from relaytrack.pipeline.server.store import SiteStore
from relaytrack.pipeline.server.walks import walks_of, with_usual_times
from relaytrack.trackers import Revision
from tests.pipeline.server.test_corrections import Told, message
from tests.support.sites import served, settled


def see(store: SiteStore, identity: int, camera: str, first: float, degrees: float, *, seconds: float = 5.0) -> int:
    """A sighting whose looks are an angle in a plane; returns its number."""
    looks = np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees)), 0, 0], np.float16).tobytes()
    with store.writing() as database:
        return int(
            database.execute(
                """INSERT INTO sightings
                (run, camera, track, identity, first, last, frames, quality, picture, embedding)
                VALUES (1, ?, (SELECT count(*) + 1000 FROM sightings), ?, ?, ?, 9, 0.5, x'ffd8', ?)""",
                (camera, identity, first, first + seconds, looks),
            ).lastrowid
            or 0
        )


@pytest.fixture
def store(tmp_path: Path) -> SiteStore:
    return SiteStore(tmp_path / "site.sqlite")


def test_a_sighting_unlike_the_others_is_doubtful(store: SiteStore) -> None:
    see(store, 1, "east", 0.0, 0.0)
    see(store, 1, "west", 10.0, 5.0)
    odd = see(store, 1, "west", 20.0, 70.0)
    doubts = Doubts(store)
    [found] = doubts.of(1, 0.5)
    assert (found.kind, found.sighting, found.other) == ("sighting", odd, 1)
    assert found.similarity == pytest.approx(np.cos(np.radians(65)), abs=0.002)
    doubts.confirm_sighting(1, odd)
    assert doubts.of(1, 0.5) == []
    store.close()


def test_somebody_who_looks_alike_and_was_never_there_at_once_is_doubtful(store: SiteStore) -> None:
    see(store, 1, "east", 0.0, 0.0)
    see(store, 2, "west", 10.0, 10.0)
    see(store, 3, "east", 2.0, 4.0)  # beside 1 in one picture: surely another one
    see(store, 4, "west", 30.0, 80.0)
    doubts = Doubts(store)
    assert [(found.kind, found.other) for found in doubts.of(1, 0.5)] == [("person", 2)]
    doubts.forbid_link(1, 2)
    assert doubts.of(1, 0.5) == []
    assert 1 not in [found.other for found in doubts.of(2, 0.5)]
    assert doubts.cannot_link() == {frozenset((1, 2))}
    with store.writing() as database:
        people_rows.merge(database, 3, 1)
    assert doubts.cannot_link() == {frozenset((3, 2))}
    with store.writing() as database:
        people_rows.forget(database, 2)
    assert doubts.cannot_link() == set()
    store.close()


def test_two_who_are_said_to_be_two_stay_two() -> None:
    told = Told()
    corrections = Corrections().wrap(told)
    corrections.update([message(0.0)])
    corrections.forbid_link(1, 2)
    told.ids, told.revisions = [1, 1], (Revision("merge", 2, 1, "door", 8, 1.0),)
    answer = corrections.update([message(1.0)])
    assert answer.global_ids[0].tolist() == [1, 2]
    assert answer.revisions == ()
    again = Corrections(cannot_link=[frozenset((1, 2))]).wrap(told)
    told.ids, told.revisions = [1, 2], ()
    again.update([message(2.0)])
    told.ids = [2, 2]
    assert again.update([message(3.0)]).global_ids[0].tolist() == [1, 2]


def test_walks_and_their_usual_time(store: SiteStore) -> None:
    for identity, way in ((1, 12.0), (2, 10.0), (3, 20.0)):
        see(store, identity, "east", 100.0 * identity, 0.0)
        see(store, identity, "west", 100.0 * identity + 5.0 + way, 0.0)
    see(store, 1, "east", 90_000.0, 0.0)  # the next day: no walk
    rows = [dict(row) for row in store.rows("SELECT camera, first, last FROM sightings WHERE identity = 1")]
    [walk] = with_usual_times(store, 1, walks_of(rows))
    assert (walk.origin, walk.target, walk.seconds) == ("east", "west", 12.0)
    assert (walk.usual, walk.others) == (15.0, 2)
    store.close()


def test_a_decision_over_the_api(tmp_path: Path) -> None:
    with served(tmp_path) as site:
        person = settled(site)["identity"]
        path = f"/api/v1/people/{person}"
        alike = see(site.site.store, 50, "gate", 100.0, 0.0)
        twin = see(site.site.store, 51, "gate", 200.0, 0.0)
        see(site.site.store, person, "gate", 290.0, 0.0)
        odd = see(site.site.store, person, "gate", 300.0, 80.0)
        found = site.get(f"{path}/doubts").json()
        assert found["threshold"] == 0.5
        kinds = [(doubt["kind"], doubt["other"], doubt["compared"]) for doubt in found["doubts"]]
        assert ("person", 50, alike) in kinds
        assert ("person", 51, twin) in kinds
        assert found["doubts"][0]["sighting"] == odd
        assert site.http.post(f"{path}/decisions", json={"same": False, "other": 50}).status_code == 200
        assert site.http.post(f"{path}/decisions", json={"same": True, "other": 51}).status_code == 200
        assert site.get("/api/v1/people/51").status_code == 404
        other = site.http.post(f"{path}/decisions", json={"same": False, "sighting": odd}).json()
        assert [one["id"] for one in other["sightings"]] == [odd]
        left = [doubt["other"] for doubt in site.get(f"{path}/doubts").json()["doubts"]]
        assert 50 not in left
        for wrong in ({"same": True}, {"same": True, "other": 1, "sighting": 1}, {"same": False, "other": person}):
            assert site.http.post(f"{path}/decisions", json=wrong).status_code == 422
        assert site.http.post(f"{path}/decisions", json={"same": True, "sighting": odd}).status_code == 422
        actions = [entry["action"] for entry in site.site.audit.recent(10)]
        assert {"people kept apart", "people merged", "person split"} <= set(actions)
