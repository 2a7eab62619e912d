"""The sink that keeps people: tries after a failure, cameras that are opened anew, merged people."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from relaytrack.pipeline.config.schema import CameraConfig
from relaytrack.pipeline.errors import OutputError
from relaytrack.pipeline.events.schema import EnterEvent
from relaytrack.pipeline.records import Step
from relaytrack.pipeline.server import people as people_module
from relaytrack.pipeline.server import people_rows
from relaytrack.pipeline.server.event_log import EventLog
from relaytrack.pipeline.server.people import People
from relaytrack.pipeline.server.store import SiteStore
from relaytrack.trackers import Revision
from tests.pipeline.server.test_grounds import seen


class FailsOnce:
    """A function that fails at its first call, as on a full disk."""

    def __init__(self, usual: Any, error: Exception) -> None:
        self._usual, self._error, self._calls = usual, error, 0

    def __call__(self, *given: Any) -> Any:
        self._calls += 1
        if self._calls == 1:
            raise self._error
        return self._usual(*given)


def test_a_correction_reaches_tracks_from_before_a_camera_was_opened_anew(tmp_path: Path) -> None:
    """Fault: after a change of a camera's region no correction of what it had seen before was kept."""
    people = People(SiteStore(tmp_path / "site.sqlite"), run=1)
    people.write(Step(1.0, tracks=(seen("west", 1, 6, 1, 0), seen("east", 1, 9, 1, 0.2))))
    people.camera_removed("east")
    people.camera_added(CameraConfig(url="x", name="east"))
    people.write(Step(2.0, tracks=(seen("east", 2, 9, 1, 0.2),)))  # its track ids go on
    people.write(Step(3.0, revisions=tuple(Revision("merge", 9, 6, "east", track, 1.0) for track in (1, 2))))
    assert sorted((one.camera, one.track) for one in people.sightings(6)) == [("east", 1), ("east", 2), ("west", 1)]
    [first] = [one.id for one in people.sightings(6) if one.camera == "east" and one.track == 1]
    assert people.split(6, [first])[1] == [("east", 1)], "the run's files are told of it, too"


def test_a_step_that_is_tried_again_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    people = People(SiteStore(tmp_path / "site.sqlite"), run=1)
    monkeypatch.setattr(people_module, "_FLUSH", 0.0)
    people.write(Step(1.0, tracks=(seen("west", 1, 6, 1, 0),)))
    full = FailsOnce(people_rows.write_sightings, sqlite3.OperationalError("database or disk is full"))
    monkeypatch.setattr(people_rows, "write_sightings", full)
    step = Step(2.0, tracks=(seen("west", 1, 6, 1, 0),))
    with pytest.raises(OutputError, match="full"):
        people.write(step)
    people.write(step)
    assert [one.frames for one in people.sightings(6)] == [2]


def test_a_watched_person_is_told_of_although_the_disk_was_full(tmp_path: Path) -> None:
    told: list[tuple[int, str, int]] = []
    full = FailsOnce(lambda *given: told.append(given), OutputError("the disk is full"))
    people = People(SiteStore(tmp_path / "site.sqlite"), run=1, on_return=full)
    people.describe(6, watched=True)
    step = Step(1.0, tracks=(seen("west", 1, 6, 1, 0),))
    with pytest.raises(OutputError):
        people.write(step)
    people.write(step)
    assert told == [(6, "west", 1)]


def test_who_is_watched_stays_so_when_two_numbers_are_one(tmp_path: Path) -> None:
    """Fault: the mark of the number that went was lost, and nobody was told of that person any more."""
    told: list[int] = []
    store = SiteStore(tmp_path / "site.sqlite")
    people = People(store, run=1, on_return=lambda identity, camera, track: told.append(identity))
    people.write(Step(1.0, tracks=(seen("west", 1, 6, 1, 0), seen("east", 1, 9, 1, 0.2))))
    people.describe(9, name="Ada", watched=True)
    people.merge(6, 9)
    [person] = people.people()
    assert (person.identity, person.name, person.watched) == (6, "Ada", True)
    people.write(Step(2.0, tracks=(seen("east", 2, 6, 1, 0.2),)))
    assert told == [6]


def test_events_are_kept_once_although_the_old_ones_could_not_be_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SiteStore(tmp_path / "site.sqlite")
    log = EventLog(store, retain=3600.0)
    with store.writing() as database:
        database.execute("CREATE TRIGGER full BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'full'); END")
        database.execute("INSERT INTO events (epoch, kind, camera, identity, data) VALUES (1, 'x', '', 0, '{}')")
    event = EnterEvent(time=1.0, camera="west", track=1, identity=6)
    with pytest.raises(OutputError):
        log.write(Step(1.0, events=(event,)))
    log.write(Step(1.0, events=(event,)))
    assert len(log.find(kinds=["enter"])) == 1
