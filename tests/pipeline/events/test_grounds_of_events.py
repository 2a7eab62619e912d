"""What an identity rests on, told with the events that name it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support.memory import held_bytes

from relaytrack.pipeline.config.schema import CameraConfig, EventsConfig
from relaytrack.pipeline.events.former import Former
from relaytrack.pipeline.events.known_tracks import EarlierTrack, KnownTracks
from relaytrack.pipeline.events.schema import EnterEvent, FormerIdentity, IdentityEvent, IdentityGrounds, parse_event
from relaytrack.pipeline.events.watch import EventWatch
from relaytrack.pipeline.records import Floats, FrameInfo, FrameTracks, Step
from relaytrack.pipeline.sinks.identities import IdentitiesSink
from relaytrack.trackers import Revision

RED, BLUE = (1.0, 0.0), (0.0, 1.0)


def look(*values: float) -> Floats:
    vector = np.array(values, np.float32)
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def frame(camera: str, time: float, *people: tuple[int, int, tuple[float, ...]]) -> FrameTracks:
    """A frame with (track, identity, look) each."""
    return FrameTracks(
        FrameInfo(camera, 1, time, (100, 100)),
        np.array([track for track, *_ in people], np.int64),
        np.array([identity for _, identity, _ in people], np.int64),
        np.tile(np.array([10, 10, 20, 50], np.float32), (len(people), 1)),
        np.ones(len(people), np.float32),
        embeddings=np.stack([look(*values) for *_, values in people]),
    )


def watch() -> EventWatch:
    return EventWatch([CameraConfig(url=f"{name}.mp4", name=name) for name in ("west", "east")], EventsConfig())


def test_somebody_new_is_compared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    grounds = KnownTracks.grounds
    monkeypatch.setattr(KnownTracks, "grounds", lambda *given: asked.append(given[1]) or grounds(*given))
    found = watch().update(0.0, [frame("west", 0.0, (1, 6, RED))])
    assert [event.event for event in found] == ["identity", "enter"]
    assert asked == [("west", 1)]
    identity, enter = found
    assert isinstance(identity, IdentityEvent)
    assert isinstance(enter, EnterEvent)
    assert identity.grounds == enter.grounds is not None


def test_an_event_says_what_its_identity_rests_on() -> None:
    events = watch()
    events.update(0.0, [frame("west", 0.0, (1, 6, RED), (2, 4, BLUE))])
    found = events.update(5.0, [frame("east", 5.0, (1, 6, (1.0, 0.5)), (2, 9, (0.1, 1.0)))])
    entered = {event.identity: event for event in found if isinstance(event, EnterEvent)}
    alike = float(look(1.0, 0.5) @ look(*RED))
    other = float(look(1.0, 0.5) @ look(0.1, 1.0))
    assert entered[6].grounds == IdentityGrounds(
        state="matched",
        similarity=round(alike, 3),
        nearest=round(other, 3),
        margin=round(round(alike, 3) - round(other, 3), 3),
        rival=9,
        cameras=("west",),
    )
    assert entered[6].former == ()
    [new] = [event for event in found if isinstance(event, IdentityEvent)]
    assert new.grounds == IdentityGrounds(state="new", rival=4, nearest=round(float(look(0.1, 1.0) @ look(*BLUE)), 3))
    assert parse_event(entered[6].model_dump_json()) == entered[6]


def test_an_event_names_the_identities_of_before() -> None:
    events = EventWatch([CameraConfig(url="a.mp4", name="west")], EventsConfig(leave_after=1.0))
    events.update(0.0, [frame("west", 0.0, (1, 6, RED), (2, 9, RED))])
    events.update(2.0, [frame("west", 2.0, (1, 6, RED))], [Revision("merge", 9, 6, "west", 2, 0.0, score=1.5)])
    [entered] = [
        event
        for event in events.update(4.0, [frame("west", 4.0, (1, 6, RED), (2, 6, RED))])
        if isinstance(event, EnterEvent)
    ]
    assert entered.track == 2
    assert entered.grounds is not None
    assert (entered.grounds.state, entered.grounds.similarity) == ("revised", 1.0)
    assert entered.former == (FormerIdentity(id=9, time=2.0, kind="merge", score=1.5),)


def test_a_number_that_changes_without_a_notice_is_remembered_too() -> None:
    events = EventWatch([CameraConfig(url="a.mp4", name="west")], EventsConfig(leave_after=1.0))
    events.update(0.0, [frame("west", 0.0, (1, 8, RED))])
    found = events.update(0.5, [frame("west", 0.5, (1, 3, RED))])
    [new] = [event for event in found if isinstance(event, IdentityEvent)]
    assert new.former == (FormerIdentity(id=8, time=0.5, kind="merge"),)
    assert new.grounds is not None
    assert new.grounds.state == "revised"


def test_people_of_an_earlier_start_are_known_and_compared_with() -> None:
    events = watch()
    events.recall([6], [EarlierTrack("gate", 6, look(*RED)), EarlierTrack("gate", 7)])
    found = events.update(0.0, [frame("west", 0.0, (1, 6, (1.0, 0.2)))])
    assert [event.event for event in found] == ["enter"], "6 is nobody new"
    assert isinstance(found[0], EnterEvent)
    assert found[0].grounds is not None
    assert (found[0].grounds.cameras, found[0].grounds.state) == (("gate",), "matched")
    assert found[0].grounds.similarity == pytest.approx(float(look(1.0, 0.2) @ look(*RED)), abs=1e-3)


def test_nobody_is_compared_with_a_person_who_was_forgotten() -> None:
    known = KnownTracks()
    known.see(frame("west", 0.0, (1, 6, RED), (2, 4, BLUE)))
    known.revise(("west", 2), Former(6, 0.0, "split"), 4)
    known.forget(6, [])
    known.see(frame("east", 1.0, (1, 9, RED)))
    found = known.grounds(("east", 1))
    assert (found.state, found.rival, found.nearest) == ("new", 4, 0.0)
    assert known.former(("west", 2)) == ()
    assert len(known) == 2


def test_what_is_remembered_is_bounded_and_the_oldest_goes_first() -> None:
    known = KnownTracks(most=300)
    for number in range(1, 701):
        known.see(frame("west", float(number), (number, number, RED)))
    assert len(known) == 300
    assert known.grounds(("west", 700)).nearest == 1.0
    with pytest.raises(KeyError):
        known.grounds(("west", 400))


def test_looks_of_other_weights_are_not_compared() -> None:
    known = KnownTracks()
    known.recall([EarlierTrack("west", 6, look(1, 0, 0))])
    known.see(frame("west", 0.0, (1, 6, RED)))
    found = known.grounds(("west", 1))
    assert (found.state, found.similarity, found.cameras) == ("matched", None, ("west",))


def test_a_live_run_says_it_before_its_end(tmp_path: Path) -> None:
    sink = IdentitiesSink(tmp_path, ["west", "east"], crops=False)
    for moment, seen in ((0.0, frame("west", 0.0, (1, 6, RED), (2, 4, BLUE))), (1.0, frame("east", 1.0, (1, 6, RED)))):
        sink.write(Step(moment, tracks=(seen,)))
    sink.bring_up_to_date()
    six = next(one for one in json.loads((tmp_path / "identities.json").read_text())["identities"] if one["id"] == 6)
    assert six["grounds"] == {"state": "matched", "similarity": 1.0, "margin": 1.0, "rival": 4, "nearest": 0.0}
    assert not (tmp_path / "embeddings.npz").exists()
    sink.close()


def test_known_tracks_take_all_their_memory_at_the_start() -> None:
    """Fault: room for 10,000 tracks of 2 kB was taken bit by bit over hours, which looks like a leak for so long."""
    looks = np.random.default_rng(0).normal(size=(1900, 512))

    def run(tracks: int) -> KnownTracks:
        known = KnownTracks()
        for track in range(tracks):
            known.see(frame("west", float(track), (track, track, tuple(looks[track].tolist()))))
        return known

    assert held_bytes(lambda: run(1900)) - held_bytes(lambda: run(1)) < 1_000_000, "keys of 1,900 tracks"


def test_earlier_identities_of_two_thousand_tracks_take_little_memory() -> None:
    """Fault: each was kept as the record that events carry, half a kilobyte and more."""

    def revised(each: int) -> KnownTracks:
        known = KnownTracks(most=100)
        for track in range(1, 101):
            known.see(frame("west", 1.0, (track, track, RED)))
            for number in range(each):
                known.revise(("west", track), Former(7000 + number, 0.5 * number, "merge", 0.1 * number), track)
        return known

    assert held_bytes(lambda: revised(20)) - held_bytes(lambda: revised(0)) < 100 * 20 * 250
    assert len(revised(30).former(("west", 5))) == 20
