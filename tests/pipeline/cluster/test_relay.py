"""Steps on their way from a machine of the cluster to the one that serves the site."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relaytrack.pipeline.cluster.outbox import Inbox, Outbox
from relaytrack.pipeline.cluster.pulling import Puller
from relaytrack.pipeline.cluster.ray_actors import Pulled
from relaytrack.pipeline.cluster.relayed_step import RelayedStep
from relaytrack.pipeline.cluster.site_steps import SiteSteps
from relaytrack.pipeline.cluster.step_relay import STEP, StepRelay
from relaytrack.pipeline.events.schema import IdentityEvent
from relaytrack.pipeline.palette import IdentityColors
from relaytrack.pipeline.records import FrameInfo, FrameTracks, Step
from relaytrack.pipeline.results.correction import Correction
from relaytrack.pipeline.runtime.sink_host import SinkHost
from relaytrack.trackers import Revision
from tests.support.world import Keep, wait_for


def tracks_of(index: int, *, score: float = 0.9, camera: str = "door") -> FrameTracks:
    """One person, track 3, identity 7, in a picture of 160 x 120."""
    frame = FrameInfo(camera, index, index / 5, (160, 120), (4, 2), 1000.0 + index / 5)
    vector = np.zeros((1, 512), np.float32)
    vector[0, 0] = 1.0
    box = np.array([[20, 10, 50, 80]], np.float32)
    ids = np.array([3]), np.array([7])
    return FrameTracks(frame, *ids, box, np.array([score], np.float32), embeddings=vector)


def step_of(index: int, score: float) -> Step:
    """A step of that frame, with its picture."""
    tracks = tracks_of(index, score=score)
    return Step(tracks.frame.time, (tracks,), images={"door": np.full((120, 160, 3), 90, np.uint8)})


@given(st.lists(st.binary(max_size=300), max_size=20), st.integers(1, 64))
def test_messages_arrive_whole_and_in_order_however_they_are_cut(said: list[bytes], most: int) -> None:
    outbox, inbox, found = Outbox(), Inbox(), []
    for number, data in enumerate(said):
        outbox.put(number, data)
    after = 0
    while (got := outbox.piece(after, 0.0, most))[1]:
        assert outbox.piece(after, 0.0, most) == got, "once more, for an answer that was lost"
        after, piece = got
        assert len(piece) <= most
        found += inbox.feed(piece)
    assert found == list(enumerate(said))


class _RayError(Exception):
    """An error of Ray."""


class _UnavailableError(_RayError):
    """The line is cut."""


class _LossyRay:
    """As much of Ray as a puller needs: an actor whose answers get lost, each after it was made."""

    class exceptions:  # noqa: N801 as in Ray
        RayError = _RayError
        ActorUnavailableError = _UnavailableError

    def __init__(self, outbox: Outbox, lost: set[int]) -> None:
        self.outbox, self.lost, self.calls = outbox, lost, 0
        self.member = SimpleNamespace(
            actor=SimpleNamespace(pull=SimpleNamespace(remote=self.pull)), machine=SimpleNamespace(address="10.0.0.2")
        )

    def pull(self, wanted: object, after: int) -> Pulled:
        number, data = self.outbox.piece(after, 0.02)
        return Pulled(data, number, len(self.outbox), self.outbox.dropped)

    def wait(self, asked: list[Pulled], timeout: float) -> tuple[list[Pulled], list[Pulled]]:
        return asked, []

    def get(self, pulled: Pulled) -> Pulled:
        self.calls += 1
        if self.calls in self.lost:
            raise _UnavailableError
        return pulled


def test_no_message_is_lost_or_comes_twice_when_answers_get_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relaytrack.pipeline.cluster.pulling._CHECK", 0.01)
    outbox, found = Outbox(), []
    ray = _LossyRay(outbox, lost={2, 3, 5})
    puller = Puller(ray, ray.member, found.append, lambda: None)  # type: ignore[arg-type, return-value]
    said = [(number, bytes([number]) * 100) for number in range(8)]
    for message in said:
        outbox.put(*message)
        assert wait_for(lambda: len(found) == message[0] + 1)  # noqa: B023
    assert ray.calls >= 5
    assert found == said
    puller.close()


def test_what_nobody_fetches_gives_way_to_what_is_newer() -> None:
    outbox = Outbox(room=3)
    for number in range(5):
        outbox.put(number, b"x")
    assert [kind for kind, _ in Inbox().feed(outbox.piece(0, 0.0)[1])] == [2, 3, 4]
    assert outbox.dropped == 2


def test_a_step_is_the_same_after_its_way() -> None:
    tracks = tracks_of(5)
    change = Revision("merge", 9, 7, "door", 3, 0.8, 1.5)
    event = IdentityEvent(time=1.0, camera="door", track=3, identity=7)
    sent = RelayedStep(Step(1.0, (tracks,), (change,), (event,), crops={("door", 3): (2.0, b"jpeg")}), {7: (1, 2, 3)})
    came = RelayedStep.from_bytes(sent.to_bytes(), zero=1000.0)
    (found,) = came.step
    assert found.frame == tracks.frame
    for key in ("ids", "global_ids", "xyxy", "scores"):
        np.testing.assert_array_equal(getattr(found, key), getattr(tracks, key))
    assert float((found.embeddings @ tracks.embeddings.T)[0, 0]) > 0.999
    assert (came.step.time, came.step.revisions, came.step.events) == (1.0, (change,), (event,))
    assert came.step.crops == {("door", 3): (2.0, b"jpeg")}
    assert came.colors == {7: (1, 2, 3)}


def test_better_pictures_and_few_looks_are_sent() -> None:
    outbox = Outbox(room=1000)
    relay = StepRelay(outbox, IdentityColors({7: (9, 9, 9)}))
    for index in range(1, 101):
        relay.write(step_of(index, 0.5 if index < 50 else 0.95))
    found = [
        RelayedStep.from_bytes(data, 0.0) for kind, data in Inbox().feed(outbox.piece(0, 0.0, 10**7)[1]) if kind == STEP
    ]
    assert [one.step.tracks[0].frame.index for one in found if one.step.crops] == [1, 50], "a much better one"
    assert found[0].step.crops["door", 3][1][:2] == b"\xff\xd8"
    assert [index for index, one in enumerate(found) if one.colors] == [0]
    looks = sum(bool(np.isfinite(one.step.tracks[0].embeddings).all()) for one in found)
    assert 10 <= looks <= 25
    plain = [len(one.to_bytes()) for one in found if not one.step.crops]
    assert np.mean(plain) < 400, "bytes of a step of one person"


def test_the_site_hears_of_somebody_new_once_and_of_nobody_who_is_forgotten() -> None:
    host, kept = SinkHost(), Keep()
    host.add(kept)
    steps = SiteSteps(host, 0.0, known=[5])
    steps.expect(["door"])
    news = [IdentityEvent(time=0.0, camera="door", track=3, identity=person) for person in (5, 7)]

    def hand_on(index: int, camera: str = "door") -> None:
        step = Step(0.2 * index, (tracks_of(index, camera=camera),), events=tuple(news))
        steps.take(RelayedStep(step, {7: (1, 2, 3)}).to_bytes())

    hand_on(1)
    hand_on(2)
    hand_on(3, camera="gone")
    told: list[Correction] = []
    host.add(SimpleNamespace(write=lambda step: None, close=lambda: None, corrected=told.append), name="receiver")
    steps.forget(7)
    assert [(one.kind, one.person) for one in told] == [("forget", 7)], "what waits for a receiver goes, too"
    hand_on(4)
    steps.expect([])
    steps.expect(["door"])
    hand_on(5)  # it was on its way when the camera left
    assert wait_for(lambda: len(kept.steps) == 5)
    assert [event.identity for step in kept.steps for event in step.events] == [7]
    assert [len(tracks) for step in kept.steps for tracks in step] == [1, 1, 0]
    assert kept.frames("door") == [1, 2, 4]
    assert steps.colors.of(7) == (1, 2, 3)
    assert steps.present.identities(["door"]) == {}
    host.close()
