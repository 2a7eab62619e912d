"""What keeps the cost of a site with very many cameras within bounds changes nothing, or only what it says."""

import pickle

import numpy as np
import pytest
from support.wanderers import unit

from relaytrack.trackers import CameraTracks, IdentityAssociator, IdentityStore
from relaytrack.trackers.identities import camera_pairs, due_tracks, joint, keeping, revision_scores, topology
from relaytrack.trackers.identities.growing import extended
from relaytrack.trackers.identities.live_tracks import LiveTracks
from relaytrack.trackers.identities.topology import CLASSES, KINDS, TravelTimes

D = 16


def view(camera, time, ids, looks):
    left = 50.0 * np.arange(len(ids))
    boxes = np.stack([left, left * 0, left + 40, left * 0 + 100], axis=1).astype(np.float32)
    return CameraTracks(camera, time, np.asarray(ids), boxes, np.ones(len(ids), np.float32), looks)


def counted(cameras, seed=0, tracks=300):
    """Times between sightings of tracks of which every third follows another one."""
    rng = np.random.default_rng(seed)
    start = np.sort(rng.uniform(0, 300, tracks))
    last = start + rng.uniform(1, 20, tracks)
    camera = rng.integers(0, cameras, tracks)
    gap = topology.gaps(start[:, None], last[:, None], start, last)
    slots = np.arange(tracks)
    later = topology.is_later(start[:, None], start, slots[:, None], slots)
    sure = rng.random((tracks, tracks)) < 0.01
    counts = TravelTimes.counts(cameras)
    kind = rng.integers(0, KINDS, (tracks, tracks))
    counts.add(gap, later, camera, camera, kind, sure, np.ones_like(sure))
    return counts, (gap, later, camera[:, None], camera[None], kind)


def test_pairs_of_cameras_that_share_nobody_share_their_ratios(monkeypatch):
    counts, pairs = counted(80)
    every, some = TravelTimes(), TravelTimes()
    monkeypatch.setattr(camera_pairs, "FEW_CAMERAS", 10**6)
    for _ in every.learn(counts):
        pass
    monkeypatch.setattr(camera_pairs, "FEW_CAMERAS", 64)
    for _ in some.learn(counts):
        pass
    assert len(some._table) < len(every._table) / 3
    one, other = every.follow(*pairs), some.follow(*pairs)
    known = np.isfinite(one)
    assert (known == np.isfinite(other)).all()
    assert np.abs(one[known] - other[known]).max() < 0.1
    followed = np.isin(pairs[2] * 80 + pairs[3], counts.following() // (KINDS * CLASSES)) & pairs[1] & known
    assert followed.any()
    assert (one[followed] == other[followed]).all()
    assert (some.most, some.most_at_once) >= (float(one[known].max()), 0.0)


def test_few_cameras_have_a_row_for_each_pair_and_one_for_new_cameras():
    counts, pairs = counted(5)
    times = TravelTimes()
    for _ in times.learn(counts):
        pass
    assert times._table.shape == (26, KINDS, CLASSES)
    assert times.follow(*pairs).max() <= times.most


def test_the_list_of_due_tracks_does_not_grow_where_more_begin_than_can_be_decided_again(monkeypatch):
    monkeypatch.setattr(joint, "QUERIES", 0)
    monkeypatch.setattr(joint, "AT_LEAST", 2)
    rng = np.random.default_rng(0)
    run = IdentityAssociator()
    for step in range(100):
        run.update([view("a", step * 1.0, np.arange(20) + 20 * step, unit(rng.normal(size=(20, D))))])
    late = (due_tracks.LATE + due_tracks.DUE[1] + 1) * 20
    assert 20 < len(run._backend._due) <= late < 100 * 20


def test_scores_of_many_corrections_are_those_of_each(monkeypatch):
    rng = np.random.default_rng(1)
    run = IdentityAssociator(margin=-1.0)
    looks = unit(rng.normal(size=(20, D)))
    for step in range(8):
        views = [
            view(f"c{n}", step * 1.0, np.arange(20) + 100 * step, unit(looks + 0.1 * rng.normal(size=looks.shape)))
            for n in range(4)
        ]
        run.update(views)
    pairs = run._backend._pairs
    slots = pairs.table.slots()
    monkeypatch.setattr(revision_scores, "_FEW", 10**6)
    each = revision_scores.revision_scores(pairs, slots)
    monkeypatch.setattr(revision_scores, "_FEW", 0)
    many = revision_scores.revision_scores(pairs, slots)
    assert [value is None for value in each] == [value is None for value in many]
    assert any(value is not None for value in each)
    assert [v for v in many if v is not None] == pytest.approx([v for v in each if v is not None], abs=0.005)


def test_tracks_looked_at_in_portions_have_the_looks_that_they_have_at_once(monkeypatch):
    rng = np.random.default_rng(2)
    crops = [unit(rng.normal(size=(40, D))) for _ in range(6)]
    weight = rng.uniform(0.1, 1, 40).astype(np.float32)
    found = []
    for rows in (1000, 7):
        monkeypatch.setattr("relaytrack.trackers.identities.live_tracks._ROWS", rows)
        live = LiveTracks(3)
        live.widen(D)
        seats = live.seat(np.arange(40), np.zeros(40), 64)
        found.append(np.stack([live.look(seats, weight, each) for each in crops]))
    assert (found[0] == found[1]).all()
    assert np.allclose(np.linalg.norm(found[0], axis=2), 1, atol=1e-5)


def test_memory_is_extended_in_place_or_copied():
    values = np.arange(6.0).reshape(3, 2)
    for part in (values.copy(), values[:]):  # the second is a view of somebody else's memory
        longer = extended(part, 5)
        assert longer[:3].tolist() == values.tolist()
        assert longer.shape == (5, 2)
        assert not longer[3:].any()
    assert values.shape == (3, 2)


def test_a_store_of_many_people_takes_new_ones_at_once_and_the_others_in_turn(monkeypatch, tmp_path):
    monkeypatch.setattr(keeping, "_MOST", 6)
    rng = np.random.default_rng(5)
    looks = unit(rng.normal(size=(40, D)))
    with IdentityStore(tmp_path / "ids.db", every=0.0, origin=0.0) as store:
        run = IdentityAssociator(store=store, revise_every=1e6)
        for step in range(8):
            run.update([view("a", step * 1.0, np.arange(20), looks[:20])])
            kept = {track.track: track.last for track in store.tracks()}
            assert set(kept) == set(range(20)), "whoever is new is written at once"
            assert sum(last == step for last in kept.values()) == (20 if step == 0 else 6)
            assert min(kept.values()) >= step - 4, "everybody has a turn"
        run.update([view("a", 8.0, np.arange(40), looks)])
        assert len(store.tracks()) == 40
        run.finalize()
        assert all(track.last == 8.0 for track in store.tracks())


def test_a_checkpoint_holds_only_entries_of_banks_that_are_there():
    rng = np.random.default_rng(6)
    live = LiveTracks(4)
    live.widen(512)
    weight = np.ones(30, np.float32)
    seats = live.seat(np.arange(30), np.zeros(30), 64)
    live.look(seats, weight, unit(rng.normal(size=(30, 512))))
    live.look(seats[:5], weight[:5], unit(rng.normal(size=(5, 512))))  # another look: a second entry
    data = pickle.dumps(live)
    assert len(data) < 1.3 * 35 * 512 * 4
    again, crops = pickle.loads(data), unit(rng.normal(size=(30, 512)))
    assert (again._bank == live._bank).all()
    assert (again.look(seats, weight, crops) == live.look(seats, weight, crops)).all()
