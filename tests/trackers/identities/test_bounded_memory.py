"""Runs of days: what the association holds per track and per person."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.memory import held_bytes

from relaytrack.trackers import CameraTracks, IdentityAssociator
from relaytrack.trackers.identities.closed_tracks import ClosedTracks
from relaytrack.trackers.identities.gallery import Gallery
from relaytrack.trackers.identities.live_tracks import REST
from relaytrack.trackers.identities.tracklets import TrackletTable

D = 256
FLOAT = 4


def _looks(count: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, D)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _view(time: float, ids: list[int], looks: np.ndarray, left: float = 100.0) -> CameraTracks:
    boxes = np.array([[left + 60 * k, 100, left + 40 + 60 * k, 220] for k in range(len(ids))], np.float32)
    return CameraTracks("a", time, np.array(ids, np.int64), boxes, np.ones(len(ids), np.float32), looks)


def test_a_window_holds_what_closed_tracks_need_and_no_banks() -> None:
    """Fault: each of the 2,000 tracks of a window kept its bank of embeddings, and room for as many more was taken."""
    looks = _looks(300)

    def run() -> TrackletTable:
        table = TrackletTable(4, 0.2)
        for track in range(300):
            table.observe([_view(100.0 * track, [track], looks[track : track + 1])])
        assert len(table) == 300
        return table

    size = run().size
    assert held_bytes(run) < size * D * FLOAT + 9 * size * 400 + 600_000, "embeddings, meetings, little else"


def test_a_window_grows_by_steps() -> None:
    """Fault: with more tracks than 2,048 it took room for 4,096, meetings included."""
    table = TrackletTable(4, 0.2)
    none = np.zeros((200, 0), np.float32)
    for begin in range(0, 2200, 200):
        table.observe([_view(float(begin), list(range(begin, begin + 200)), none)])
    assert 2200 <= table.size <= 2800


def test_a_track_that_comes_back_after_its_seat_was_given_away_keeps_its_looks() -> None:
    looks = _looks(100, seed=3)
    table = TrackletTable(4, 0.2)
    (slots,), _ = table.observe([_view(0.0, [1], looks[:1])])
    for track in range(2, 90):
        table.observe([_view(1.0 + 2 * REST * track, [track], looks[track : track + 1])])
    assert len(table.live) < 90, "seats are given away"
    table.observe([_view(200 * REST, [1], looks[:1] + 0.2 * looks[95:96])])
    assert float(table.feature[slots[0]] @ looks[0]) > 0.97
    np.testing.assert_allclose(np.linalg.norm(table.feature[slots[0]]), 1, atol=1e-5)


def test_a_person_of_one_track_takes_the_memory_of_one() -> None:
    """Fault: room for all eight tracks of each known person was taken at once, 184 MiB for 10,000 people."""
    looks = _looks(600)

    def known() -> Gallery:
        gallery = Gallery(tracks=8, most=1000)
        for identity, look in enumerate(looks, 1):
            gallery.add(identity, look[None], float(identity))
        return gallery

    assert held_bytes(known) < 600 * 2 * D * FLOAT * 1.6


def test_embeddings_of_people_who_were_forgotten_make_room() -> None:
    gallery, looks = Gallery(tracks=8, most=50), _looks(40)
    for identity in range(1, 2000):
        gallery.add(identity, looks[identity % 40][None], float(identity))
        gallery.age(-np.inf)
    assert len(gallery) == 50
    assert len(gallery._pool) <= 150
    assert np.count_nonzero(np.abs(gallery._pool).sum(axis=1)) == 50, "rows of people who were forgotten are empty"


def test_closed_tracks_take_little() -> None:
    """Fault: a track that was closed took about 250 bytes until the end of the run."""

    def closed() -> ClosedTracks:
        tracks = ClosedTracks(200_000)
        for track in range(20_000):
            tracks.add(("a", track), track)
        return tracks

    assert held_bytes(closed) < 40 * 20_000


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 5)), max_size=60), st.integers(1, 5), st.integers(1, 30)
)
def test_closed_tracks_are_the_latest_ones(added: list[tuple[str, int]], person: int, most: int) -> None:
    tracks, model = ClosedTracks(most), []
    for track, (camera, identity) in enumerate(added):
        tracks.add((camera, track), identity)
        model.append(((camera, track), identity))
    found = list(tracks.items())
    assert len(found) == len(tracks) <= most
    assert found == model[len(model) - len(found) :]
    assert len(found) >= min(len(model), most - max(most // 16, 1))
    gone = {found[0][0]} if found else set()
    tracks.forget({person}, gone)
    assert list(tracks.items()) == [(key, one) for key, one in found if one != person and key not in gone]


@pytest.mark.parametrize("forgotten", [False, True])
def test_what_was_closed_is_told_at_the_end(forgotten: bool) -> None:
    run, looks = IdentityAssociator(window=20, horizon=300.0), _looks(80)
    for track in range(80):
        run.update([_view(60.0 * track, [track], looks[track : track + 1])])
    if forgotten:
        run.forget([], {("a", 3): (0.0, 1e9)})
    found = run.finalize()
    assert set(found) == {("a", track) for track in range(80) if not (forgotten and track == 3)}
    assert len(set(found.values())) == len(found), "eighty strangers"


@pytest.mark.parametrize("embedded", [True, False])
def test_the_baseline_keeps_so_many_people_and_tracks_and_no_more(embedded: bool) -> None:
    """Fault: the baseline kept every track and everybody's time of a run that never ends."""
    run, looks = IdentityAssociator(method="appearance", max_identities=20, max_tracks=50, threshold=0.9), _looks(80)
    blank = np.full((1, D), np.nan, np.float32)
    always = run.update([_view(0.0, [1], looks[:1])]).global_ids[0].tolist()
    for track in range(2, 400):
        look = looks[track % 80][None] if embedded else blank
        view = _view(float(track), [1, track], np.concatenate([looks[:1], look]))
        assert run.update([view]).global_ids[0].tolist()[:1] == always, "who is in view is not forgotten"
    assert len(run.finalize()) == 50
    assert ("a", 1) in run.finalize()
    assert len(run._backend._sums) == len(run._backend._seen) <= 20
