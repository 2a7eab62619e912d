"""What callers hand to the association and to the store: taken as it is meant, or refused in one line."""

import math

import numpy as np
import pytest

from relaytrack.trackers import CameraTracks, GroundPlane, IdentityAssociator, IdentityStore, TrackerError
from relaytrack.trackers.errors import TrackerInputError
from relaytrack.trackers.identities.store_rows import StoredTrack

PLANE = GroundPlane(np.eye(3))


def view(camera="a", time=0.0, ids=(1,), size=8):
    looks = np.eye(len(ids), size, dtype=np.float32)
    boxes = np.tile(np.array([10, 10, 50, 110], np.float32), (len(ids), 1))
    return CameraTracks(camera, time, np.array(ids), boxes, np.ones(len(ids), np.float32), looks)


@pytest.fixture
def store(tmp_path):
    with IdentityStore(tmp_path / "people.db") as opened:
        yield opened


def refused(call):
    with pytest.raises(TrackerError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("wrong", ["x.db", 3, ["x.db"], True])
def test_a_store_is_an_opened_one(wrong):
    assert "IdentityStore(FILE)" in refused(lambda: IdentityAssociator(store=wrong))


@pytest.mark.parametrize("wrong", [[1], 5, "ab", [("a", PLANE)], {3: PLANE}, {"a": None}, {"": PLANE}])
def test_calibrations_are_ground_planes_by_camera(wrong):
    refused(lambda: IdentityAssociator(calibrations=wrong))


def test_a_camera_is_called_by_text():
    for wrong in (3, [], None, "", "a\udcff"):
        refused(lambda wrong=wrong: IdentityAssociator().calibrate(wrong, PLANE))
        refused(lambda wrong=wrong: IdentityAssociator().update([view(camera=wrong)]))


@pytest.mark.parametrize("method", ["joint", "appearance"])
@pytest.mark.parametrize("wrong", [3, "12", None, ["a"], [[1]], [1.5], [True], [2**63], [1, None], b"1", {"1"}])
def test_who_is_to_be_forgotten_is_told_by_whole_numbers(method, wrong, store):
    refused(lambda: IdentityAssociator(method=method).forget(wrong))
    refused(lambda: store.forget(wrong))


@pytest.mark.parametrize(
    "wrong",
    [
        [("a", 1)],
        3,
        {"a": (0, 1)},
        {("a", 1): 3},
        {("a", 1): (None, 1)},
        {("a", "1"): (0, 1)},
        {(3, 1): (0, 1)},
        {("a", 1): (0, float("nan"))},
    ],
)
def test_tracks_to_forget_are_pairs(wrong, store):
    refused(lambda: IdentityAssociator().forget([], wrong))
    refused(lambda: store.forget([], wrong))


def test_tracks_to_forget_may_have_times_that_are_not_known(store):
    """Fault: a person of a live site could not be forgotten, since the end of their tracks was not known."""
    store.write([StoredTrack("gate", 1, 5, 0.0, 1.0, 3, None), StoredTrack("gate", 2, 5, 8.0, 9.0, 3, None)], 6)
    assert store.forget([], {("gate", 1): (0.0, math.inf)}) == 1
    refused(lambda: store.forget([], {("gate", 2): (0.0, math.nan)}))


@pytest.mark.parametrize("who", [[1], {1}, (1,), np.array([1]), np.array([1], np.uint8), iter([1]), {1: "x"}])
def test_people_are_erased_however_their_numbers_are_given(who, store):
    store.begin()
    store.write([StoredTrack("a", 1, 1, 0.0, 1.0, 5, None), StoredTrack("a", 2, 2, 0.0, 1.0, 5, None)], 3)
    assert store.forget(who) == 1
    assert [item.identity for item in store.identities()] == [2]
    assert store.forget([], {("a", np.int64(2)): (np.float32(0), 1)}) == 1


@pytest.mark.parametrize("wrong", [3, ["a"], [1.5], [-1], [0], [[1]], np.array([2**63], np.uint64), [True], [None]])
def test_known_people_have_numbers_from_one_on(wrong):
    assert "identities" in refused(lambda: IdentityAssociator().remember(wrong, np.eye(1, 4), 0.0))
    refused(lambda: IdentityAssociator().remember([1, 1], np.eye(2, 4), 0.0))


def test_known_people_can_be_a_list_and_have_embeddings_as_long_as_the_tracks():
    associator = IdentityAssociator()
    associator.remember([4], np.eye(1, 8), 0.0)
    assert "8" in refused(lambda: associator.update([view(size=6)]))
    assert associator.update([view(size=8)]).global_ids[0].tolist() == [4]
    assert "features have 6 numbers" in refused(lambda: associator.remember([5], np.eye(1, 6), 0.0))


def test_a_camera_comes_once_in_a_step():
    associator = IdentityAssociator()
    assert "given twice" in refused(lambda: associator.update([view(), view()]))
    assert associator.update([view()]).global_ids[0].tolist() == [1]


@pytest.mark.parametrize("ids", [[[1], [1, 2]], [10**400], None])
def test_track_ids_are_whole_numbers(ids):
    wrong = CameraTracks("a", 0.0, ids, np.zeros((1, 4)), np.ones(1), np.eye(1, 8))
    refused(lambda: IdentityAssociator().update([wrong]))


@pytest.mark.parametrize("time", [10**400, None, "1", float("nan"), np.datetime64("2026-01-01")])
def test_a_moment_is_a_number(time):
    with pytest.raises(TrackerInputError, match="camera a: time"):
        IdentityAssociator().update([view(time=time)])


@pytest.mark.parametrize(
    "given", [{"every": "a"}, {"every": None}, {"origin": float("nan")}, {"retain": "a"}, {"retain": -1}, {"retain": 0}]
)
def test_a_stores_settings_are_numbers(given, tmp_path):
    refused(lambda: IdentityStore(tmp_path / "people.db", **given))


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.begin("a"),
        lambda store: store.begin(10**400),
        lambda store: store.tracks("a"),
        lambda store: store.tracks(2**80),
        lambda store: store.tracks([1]),
        lambda store: store.identities(since="a"),
        lambda store: store.identities(since=float("nan")),
        lambda store: store.identities(camera=3),
        lambda store: store.thin("a"),
        lambda store: store.thin(-3),
        lambda store: store.thin(3, "a"),
        lambda store: store.write(3, 1),
        lambda store: store.write([3], 1),
        lambda store: store.write([], "a"),
        lambda store: store.write([StoredTrack("a", 1, 1, 0.0, 1.0, 1, None)], 2**70),
        lambda store: store.write([StoredTrack("a", None, 1, 0.0, 1.0, 1, None)], 2),
        lambda store: store.write([StoredTrack("a", 1, 1, "0", 1.0, 1, None)], 2),
        lambda store: store.write([StoredTrack("a", 1, 1, 0.0, 1.0, 1, ["x"])], 2),
        lambda store: store.write([], 2, {"a": 3}),
    ],
)
def test_a_store_refuses_what_it_cannot_hold(call, store):
    store.begin()
    refused(lambda: call(store))
    assert store.tracks() == []


def test_a_stores_people_are_described_by_one_network(store):
    people = [StoredTrack("a", n, n, 0.0, 1.0, 5, np.eye(1, length)[0]) for n, length in ((1, 8), (2, 6))]
    store.begin()
    store.write(people[:1], 3)
    associator = IdentityAssociator(store=store)
    assert "embeddings have 6 numbers, those before had 8" in refused(lambda: associator.update([view(size=6)]))
    store.write(people[1:], 4)
    assert "different networks" in refused(lambda: IdentityAssociator(store=store))
