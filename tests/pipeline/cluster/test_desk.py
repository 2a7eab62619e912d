"""The identity service of a cluster and the nodes' side of it, over every bus."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from relaytrack.pipeline.benchmarks.tracklet_streams import CameraStream
from relaytrack.pipeline.cluster.answers import Answers, BatchAnswer
from relaytrack.pipeline.cluster.batches import TrackletBatch, encode
from relaytrack.pipeline.cluster.bus import BusLostError, Call, InProcessBus
from relaytrack.pipeline.cluster.calls import WaitingCall, WaitingCalls
from relaytrack.pipeline.cluster.checkpoint import Checkpoints, FencedError
from relaytrack.pipeline.cluster.claims import ClaimError, Claims
from relaytrack.pipeline.cluster.desk import IdentityDesk
from relaytrack.pipeline.cluster.greetings import CameraHello, GapError
from relaytrack.pipeline.cluster.known_identities import PROVISIONAL, KnownIdentities
from relaytrack.pipeline.cluster.memory import Memory
from relaytrack.pipeline.cluster.proxy import ClusterIdentities
from relaytrack.pipeline.cluster.site import open_desk
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.errors import OutputError, RelayTrackError
from relaytrack.pipeline.identity.messages import TrackletMessage
from relaytrack.pipeline.identity.service import MAX_LATE, LocalIdentityService
from relaytrack.pipeline.palette import IdentityColors
from relaytrack.trackers import IdentityAssociator, Revision
from tests.support.memory import held_bytes
from tests.support.world import wait_for

CAMERAS = ("east", "north", "west")
FRAMES = 60
Messages = dict[str, list[TrackletMessage]]


@pytest.fixture(scope="module")
def messages() -> Messages:
    """12 seconds of three cameras that see the same people."""
    streams = [CameraStream(name, people=4, dim=64, number=number, known=20) for number, name in enumerate(CAMERAS)]
    return {stream.name: list(stream.messages(FRAMES)) for stream in streams}


def service() -> LocalIdentityService:
    return LocalIdentityService(IdentityAssociator(max_late=MAX_LATE), cameras=CAMERAS)


@pytest.fixture(scope="module")
def alone(messages: Messages) -> dict[tuple[str, int], int]:
    """The identities of one machine."""
    local = service()
    for moment in zip(*messages.values(), strict=True):
        local.update(moment)
    return dict(local.final_identities())


def desk(path: Path | None = None, *, live: bool = False, every: float = 0.0) -> IdentityDesk:
    checkpoints = None if path is None else Checkpoints(path)
    memory = None if checkpoints is None else checkpoints.read(None)
    return IdentityDesk(
        memory or Memory(service()), cameras=CAMERAS, checkpoints=checkpoints, every=every, live=live, window=0.1
    )


def node(
    bus: InProcessBus, name: str, cameras: Sequence[str], *, live: bool = False, order: int = 1
) -> ClusterIdentities:
    made = ClusterIdentities(bus, name, order, dict.fromkeys(cameras, live), form="exact", patience=0.5)
    made.opened(dict.fromkeys(cameras, 5.0))
    return made


def follow(part: ClusterIdentities, streams: Messages, frames: range = range(FRAMES)) -> None:
    """A node's run: answers are waited for some moments later, as in the engine."""
    waiting = []
    for frame in frames:
        waiting.append(part.submit([stream[frame] for stream in streams.values()]))
        if len(waiting) > 6:
            waiting.pop(0).result()
    part.no_more()
    for ticket in waiting:
        ticket.result()


def side_by_side(parts: dict[ClusterIdentities, Messages]) -> dict[tuple[str, int], int]:
    found: dict[tuple[str, int], int] = {}
    with ThreadPoolExecutor(len(parts)) as pool:
        for running in [pool.submit(follow, part, streams) for part, streams in parts.items()]:
            running.result(60)
        for part in parts:
            found.update(part.final_identities())
    return found


def test_one_two_or_three_nodes_give_the_identities_of_one_machine(
    messages: Messages, alone: dict[tuple[str, int], int]
) -> None:
    assert len(set(alone.values())) < len(alone)  # people were joined at all
    for groups in (["east north west"], ["east west", "north"], ["east", "north", "west"]):
        service_ = desk()
        bus = InProcessBus(service_)
        parts = {}
        for number, group in enumerate(groups):
            names = group.split()
            parts[node(bus, f"n{number}", names)] = {name: messages[name] for name in names}
        assert side_by_side(parts) == alone
        status = service_.status()
        assert (status.sets, status.batches, status.repeated) == (FRAMES, 3 * FRAMES, 0)
        service_.close()


def test_a_service_that_dies_goes_on_from_its_checkpoint(
    messages: Messages, alone: dict[tuple[str, int], int], tmp_path: Path
) -> None:
    bus = InProcessBus(desk(tmp_path / "state.db"))
    parts = {node(bus, name, [name]): {name: messages[name]} for name in CAMERAS}
    killed = threading.Event()

    def kill() -> None:
        """Three times, at any moment; nothing is closed, as after kill -9."""
        for after in (10, 25, 40):  # frames of the cameras, whichever service decided them
            while bus.desk is not None and max(bus.desk.status().seen.values(), default=0) < after:
                killed.wait(0.002)
            old, bus.desk = bus.desk, None
            assert old is not None
            old._fail(BusLostError("killed"))
            killed.wait(0.1)
            bus.desk = desk(tmp_path / "state.db")

    killer = threading.Thread(target=kill)
    killer.start()
    assert side_by_side(parts) == alone
    killer.join()
    assert bus.desk is not None
    assert bus.desk.token == 4
    assert bus.desk.status().lost == {}
    bus.desk.close(forget=True)
    assert list(tmp_path.iterdir()) == []


def test_a_service_that_is_back_before_anybody_misses_it_is_greeted_anew(
    messages: Messages, alone: dict[tuple[str, int], int], tmp_path: Path
) -> None:
    """Batches reach the new service before the node has noticed that the old one is gone."""
    bus = InProcessBus(desk(tmp_path / "state.db"))
    part = node(bus, "n0", CAMERAS)
    for frame in range(FRAMES):
        if frame == FRAMES // 2:
            old = bus.desk
            bus.desk = None
            assert old is not None
            old._fail(BusLostError("killed"))
            bus.desk = desk(tmp_path / "state.db")
        part.update([stream[frame] for stream in messages.values()])
    assert dict(part.final_identities()) == alone
    bus.desk.close(forget=True)


def test_a_recording_that_begins_again_elsewhere_changes_nothing(
    messages: Messages, alone: dict[tuple[str, int], int]
) -> None:
    service_ = desk()
    bus = InProcessBus(service_)
    first = node(bus, "n0", ["east"])
    for frame in range(20):
        first.submit([messages["east"][frame]])
    parts = {node(bus, name, [name]): {name: messages[name]} for name in ("north", "west")}
    parts[node(bus, "n1", ["east"], order=2)] = {"east": messages["east"]}
    assert side_by_side(parts) == alone
    with pytest.raises(ClaimError, match="n1 follows it already"):
        first.submit([messages["east"][20]]).result()
    service_.close()


def test_a_live_camera_that_moves_keeps_its_people_and_gets_new_track_ids(messages: Messages) -> None:
    service_ = desk(live=True)
    bus = InProcessBus(service_)
    first = node(bus, "n0", ["east"], live=True)
    for frame in range(30):
        before = first.update([messages["east"][frame]])
    moved = node(bus, "n1", ["east"], live=True, order=2)
    after = moved.update([messages["east"][30]])
    assert (after.track_ids[0] == messages["east"][30].ids + 1000).all()
    stayed = np.isin(messages["east"][30].ids, messages["east"][29].ids)
    assert stayed.sum() >= 3
    for _ in range(3):
        after = moved.update([messages["east"][31 + _]])
    assert set(before.global_ids[0].tolist()) & set(after.global_ids[0].tolist())
    service_.close()


def test_a_live_node_goes_on_alone_and_is_corrected_later(messages: Messages, tmp_path: Path) -> None:
    bus = InProcessBus(desk(tmp_path / "state.db", live=True))
    part = node(bus, "n0", ["east"], live=True)
    stream = messages["east"]
    told = part.update([stream[0]]).global_ids[0]
    old, bus.desk = bus.desk, None
    assert old is not None
    old.close()
    alone_ids: set[int] = set()
    for frame in range(1, FRAMES - 10):
        answer = part.update([stream[frame]])
        alone_ids |= set(answer.global_ids[0].tolist())
    own = {identity for identity in alone_ids if identity >= PROVISIONAL}
    assert set(told.tolist()) <= alone_ids, "known people keep their numbers"
    assert own, "people who came meanwhile have numbers of the node's own"
    bus.desk = desk(tmp_path / "state.db", live=True)
    revisions = []
    threading.Event().wait(0.8)
    for frame in range(FRAMES - 10, FRAMES):
        answer = part.update([stream[frame]])
        revisions += list(answer.revisions)
    assert {change.old for change in revisions if change.kind == "merge"} >= own
    assert answer.global_ids[0].max() < PROVISIONAL
    assert part.cut > 0.1
    part.close()
    bus.desk.close()


def test_people_who_came_and_went_while_a_machine_was_cut_off_get_their_true_numbers(
    messages: Messages, tmp_path: Path
) -> None:
    """The other machine goes on meanwhile, so that what is sent again is ten seconds behind."""
    cameras = [{"name": name, "url": "rtsp://nowhere/", "live": True} for name in ("east", "west")]
    config = Config.model_validate({"cameras": cameras, "cluster": {"dir": str(tmp_path)}, "sync": {"window": 0.1}})
    there = open_desk(config, None, 0.0)
    line, other = InProcessBus(there), InProcessBus(there)
    cut_off, goes_on = node(line, "n0", ["east"], live=True), node(other, "n1", ["west"], live=True)
    own: dict[int, int] = {}
    revisions = []
    passing = range(5, 8)
    for frame in range(FRAMES):
        line.desk = there if frame in (0, *range(FRAMES - 10, FRAMES)) else None
        if frame == FRAMES - 10:
            assert wait_for(lambda: cut_off.cut > 0, 10)
        goes_on.update([messages["west"][frame]])
        seen = messages["east"][frame]
        answer = cut_off.update([replace(seen, ids=seen.ids + 500) if frame in passing else seen])
        revisions += list(answer.revisions)
        numbers = zip(answer.track_ids[0].tolist(), answer.global_ids[0].tolist(), strict=True)
        own.update((track, number) for track, number in numbers if number >= PROVISIONAL)
    assert max(own) > 500, "somebody was there for a moment only"
    true = {change.track: change for change in revisions if change.kind == "merge" and change.camera == "east"}
    assert {track: true[track].old for track in own if track in true} == own
    assert max(change.new for change in true.values()) < PROVISIONAL
    for part in (cut_off, goes_on):
        part.close()
    there.close(forget=True)


class _Deaf(InProcessBus):
    """A bus that brings batches to the service and, while `deaf`, no answer back."""

    deaf = False

    def submit(self, node: str, order: int, token: int, since: float, data: bytes, heard: int = 0) -> Call:
        call = super().submit(node, order, token, since, data, heard)
        return Future() if self.deaf else call


def test_an_answer_that_was_lost_on_its_way_is_asked_for_again(messages: Messages) -> None:
    bus = _Deaf(desk(live=True))
    part = node(bus, "n0", ["east"], live=True)
    part.update([messages["east"][0]])
    bus.deaf = True
    passers_by = replace(messages["east"][1], ids=messages["east"][1].ids + 500)
    own = part.update([passers_by]).global_ids[0]
    assert (own >= PROVISIONAL).all()
    bus.deaf = False
    assert wait_for(lambda: part.cut > 0, 10)
    revisions = []
    for frame in range(2, 8):
        revisions += list(part.update([messages["east"][frame]]).revisions)
    assert {(change.old, change.track) for change in revisions} >= set(
        zip(own.tolist(), passers_by.ids.tolist(), strict=True)
    )
    assert max(change.new for change in revisions) < PROVISIONAL
    part.close()
    assert bus.desk is not None
    bus.desk.close()


def test_a_node_keeps_the_latest_colors_only_and_none_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault: a node kept the colour of everybody who was ever seen: more every day."""
    monkeypatch.setattr("relaytrack.pipeline.cluster.calls.MOST_TOLD", 50)
    monkeypatch.setattr("relaytrack.pipeline.cluster.known_identities._MOST_COLORS", 100)
    calls, known, colors = WaitingCalls(), KnownIdentities("n0"), IdentityColors()
    calls.greet("n0")
    chance = np.random.default_rng(3)
    for number in range(1, 400):
        shown = np.unique(np.maximum(1, number - chance.integers(0, 200, 3)))
        colors.see(float(number), shown.tolist())
        one = BatchAnswer("east", number, shown, shown)
        call = WaitingCall("n0", [])
        call.batches = (SimpleNamespace(camera="east", sequence=number),)  # type: ignore[assignment]
        call.answers = {("east", number): one}
        calls.reply(call, 1, colors)
        known.learn(Answers.from_bytes(call.future.result(1)))
        assert all(known.colors[identity] == colors.of(identity) for identity in shown.tolist())
    assert len(known.colors) <= 100


def test_a_correction_is_told_until_the_node_has_it_and_counts_once() -> None:
    calls, known = WaitingCalls(), KnownIdentities("n0")
    changes = [Revision("merge", old, 1, "east", old, 0.0) for old in (2, 3, 4)]

    def answers(token: int = 1) -> Answers:
        call = WaitingCall("n0", [])
        calls.heard("n0", known.heard(token))
        calls.reply(call, token, IdentityColors())
        return Answers.from_bytes(call.future.result(1))

    calls.correct("n0", changes[0])
    lost = answers()
    calls.correct("n0", changes[1])
    second = answers()
    assert known.learn(second) == changes[:2]
    assert known.learn(lost) == []
    assert known.learn(second) == []
    calls.correct("n0", changes[2])
    third = answers()
    assert third.revisions == (changes[2],)
    assert known.learn(third) == [changes[2]]
    assert answers().revisions == ()
    assert known.heard(2) == 0, "another service begins anew"


def test_a_camera_that_moves_for_years_leaves_nothing_at_the_service() -> None:
    """Fault: every move left a name, colours and corrections behind."""

    def moved(times: int) -> IdentityDesk:
        service_ = desk(live=True)
        for number in range(times):
            service_.hello(f"n{number}", number, {"east": CameraHello(True)})
        return service_

    few, many = (held_bytes(lambda times=times: moved(times), IdentityDesk.close) for times in (10, 1000))
    assert many < few + 20_000


def test_a_node_that_was_forgotten_and_comes_back_hears_every_correction_once() -> None:
    calls, known = WaitingCalls(), KnownIdentities("n0")

    def answers() -> Answers:
        call = WaitingCall("n0", [])
        calls.heard("n0", known.heard(1))
        calls.reply(call, 1, IdentityColors())
        return Answers.from_bytes(call.future.result(1))

    for change in (first := Revision("merge", 2, 1, "east", 2, 0.0), second := Revision("merge", 3, 1, "east", 3, 0.0)):
        calls.correct("n0", change)
        assert known.learn(answers()) == [change]
        calls.forget("n0")
        assert known.learn(answers()) == []
    assert first != second


def test_a_camera_is_followed_by_one_node_only() -> None:
    claims = Claims()
    claims.take("n0", 1, ["a", "b"])
    for order in (0, 1):
        with pytest.raises(ClaimError, match="camera 'b': node n0 follows it already; node n1 is refused"):
            claims.take("n1", order, ["c", "b"])
    claims.take("n0", 1, ["a"])  # it comes back after it lost the service
    claims.take("n1", 2, ["b"])
    claims.check("n1", 2, "b")
    with pytest.raises(ClaimError):
        claims.check("n0", 1, "b")
    with pytest.raises(GapError):
        claims.check("n1", 2, "c")


def test_a_service_that_was_replaced_writes_no_more(tmp_path: Path) -> None:
    old = Checkpoints(tmp_path / "state.db")
    memory = Memory(service())
    old.write(memory)
    new = Checkpoints(tmp_path / "state.db")
    assert new.token > old.token
    with pytest.raises(FencedError):
        old.write(memory)
    new.write(memory)
    late = IdentityDesk(memory, cameras=["a"], checkpoints=old)
    with pytest.raises(FencedError):
        late.hello("n0", 1, {"a": CameraHello(True)}, token=new.token)
    with pytest.raises(RelayTrackError):
        late.hello("n0", 1, {"a": CameraHello(True)})
    late.close()
    new.close()


def test_what_the_service_has_forgotten_is_in_no_file_after_the_next_checkpoint(tmp_path: Path) -> None:
    kept, memory = Checkpoints(tmp_path / "state.db"), Memory(service())
    memory.seen["somebody who is forgotten" * 1000] = 1
    kept.write(memory)
    memory.seen.clear()
    kept.write(memory)
    files = list(tmp_path.iterdir())
    assert files
    assert not [file.name for file in files if b"somebody who is forgotten" in file.read_bytes()]
    kept.close()


def test_the_checkpoint_is_its_owners_alone_and_a_damaged_one_is_told(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    kept = Checkpoints(path)
    kept.write(Memory(service()))
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    kept._db.execute("UPDATE state SET data = x'80040000'")
    with pytest.raises(OutputError, match=r"state\.db"):
        kept.read(None)
    kept.close()
    path.write_bytes(b"no database" * 100)
    with pytest.raises(OutputError, match=r"state\.db"):
        Checkpoints(path)


def test_a_node_is_told_each_colour_once_and_all_of_them_after_it_came_back(messages: Messages) -> None:
    there = desk(live=True)
    node(InProcessBus(there), "one", CAMERAS, live=True)

    def told(sequence: int) -> set[int]:
        batch = TrackletBatch(sequence, messages["east"][sequence - 1])
        data = there.submit("one", 1, there.token, batch.time, encode(batch, "exact")).result(5)
        return set(Answers.from_bytes(data).colors)

    first = told(1)
    assert len(first) == 4
    assert not told(2) & first
    node(InProcessBus(there), "one", CAMERAS, live=True)
    assert told(3) >= first
    there.close()


def test_a_batch_that_is_asked_for_again_is_answered_with_its_colours(messages: Messages) -> None:
    """The node may not have got the first answer, before it was decided or after."""
    there = desk()
    bus = InProcessBus(there)
    for name in CAMERAS:
        node(bus, name, [name])
    batches = {name: TrackletBatch(1, messages[name][0]) for name in ("east", "west")}

    def ask(name: str) -> Future[bytes]:
        since = batches[name].time
        return there.submit(name, 1, there.token, since, encode(batches[name], "exact"))

    first, second = ask("east"), ask("east")
    ask("west")
    there.end("north", ["north"])
    told = [set(Answers.from_bytes(future.result(5)).colors) for future in (first, second, ask("east"))]
    assert len(told[0]) == 4
    assert told[1:] == told[:1] * 2
    there.close()


def test_identities_of_late_messages_are_kept_of_the_last_tracks_only(
    messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relaytrack.pipeline.identity.service._REMEMBERED", 20)
    local = service()
    first = messages["east"][0]
    told = local.update([first]).global_ids[0]
    assert local.known(first).tolist() == told.tolist()
    nobody = replace(first, embeddings=np.full_like(first.embeddings, np.nan))
    for number in range(1, 12):
        frame = replace(first.frame, index=number + 1, time=0.2 * number)
        local.update([replace(nobody, frame=frame, ids=first.ids + 4 * number)])
    assert local.known(first).tolist() == [0, 0, 0, 0]
    assert (local.known(replace(first, ids=first.ids + 4 * 11)) > 0).all()
    assert len(local._last["east"]) <= 24
