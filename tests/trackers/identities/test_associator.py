"""The association: constraints, corrections, bounds, determinism."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.wanderers import conflicts, crowd, noisy, people, view

from relaytrack.trackers import IdentityAssociator, IdentityParams
from relaytrack.trackers.errors import TrackerInputError


@pytest.mark.parametrize("method", ["joint", "appearance"])
def test_the_same_person_keeps_one_number_in_two_cameras(method):
    looks = people(2)
    run = IdentityAssociator(method=method)
    run.update([view("a", 0.0, [1, 2], looks)])
    for step in range(1, 8):
        run.update([view("a", step / 2, [1, 2], looks)])
    run.update([view("b", 5.0, [7, 8], looks[::-1])])
    final = run.finalize()
    assert final["a", 1] == final["b", 8]
    assert final["a", 2] == final["b", 7]
    assert final["a", 1] != final["a", 2]


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.3, 1.0, 5.0]))
def test_two_tracks_of_one_frame_are_never_one_identity(seed, every):
    steps, _ = crowd(seed)
    run = IdentityAssociator(revise_every=every, duplicates=False)
    for views in steps:
        result = run.update(views)
        for ids in result.global_ids:
            assert len(set(ids.tolist())) == len(ids)
    final = run.finalize()
    assert all(final[a] != final[b] for a, b in conflicts(steps))


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 10_000))
def test_constraints_hold_when_tracks_leave_the_window(seed):
    steps, _ = crowd(seed, steps=120)
    run = IdentityAssociator(revise_every=0.5, horizon=6.0, window=8, gallery=2, duplicates=False)
    for views in steps:
        for ids in run.update(views).global_ids:
            assert len(set(ids.tolist())) == len(ids)
    final = run.finalize()
    assert all(final[a] != final[b] for a, b in conflicts(steps))


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000))
def test_events_lead_from_what_was_shown_to_what_holds(seed):
    steps, _ = crowd(seed, steps=80)
    run, shown = IdentityAssociator(revise_every=1.0), {}
    for views in steps:
        result = run.update(views)
        for event in result.revisions:
            if (event.camera, event.track) in shown:
                assert shown[event.camera, event.track] == event.old
            shown[event.camera, event.track] = event.new
            assert event.kind in ("merge", "split")
        for seen, ids in zip(views, result.global_ids, strict=True):
            for track, identity in zip(seen.ids.tolist(), ids.tolist(), strict=True):
                assert shown.setdefault((seen.camera, track), identity) == identity


def test_wandering_people_are_found_again():
    right = total = 0
    for seed in range(4):
        steps, truth = crowd(seed)
        run = IdentityAssociator(return_ratio=1.0)
        for views in steps:
            run.update(views)
        final = run.finalize()
        assert set(final) == set(truth)
        keys = sorted(truth)
        pairs = [(a, b) for a in keys for b in keys if a < b]
        right += sum((truth[a] == truth[b]) == (final[a] == final[b]) for a, b in pairs)
        total += len(pairs)
    assert right / total > 0.95


@pytest.mark.parametrize(("ratio", "same"), [(None, False), (0.3, True)])
def test_people_who_left_the_picture_come_back_as_the_return_ratio_says(ratio, same):
    looks, rng = people(8), np.random.default_rng(3)
    run, found = IdentityAssociator(return_ratio=ratio), {}
    for visit in range(2):
        seen = noisy(looks, rng, 0.7)  # other light
        for person in range(8):  # one after the other, from the left border to the right one, in 4 seconds
            track = 1 + person + 8 * visit
            for moment in range(17):
                x = 600 * moment / 16
                time = 90.0 * visit + 8 * person + moment / 4
                run.update([view("a", time, [track], noisy(seen[[person]], rng, 0.3), [[x, 100, x + 40, 200]])])
    for (_, track), identity in run.finalize().items():
        found[track] = identity
    again = [found[1 + person] == found[9 + person] for person in range(8)]
    assert sum(again) >= 7 if same else sum(again) <= 1
    assert len({found[1 + person] for person in range(8)}) == 8


def test_two_runs_agree_and_ids_count_up_from_one():
    steps, _ = crowd(5)
    results = []
    for _ in range(2):
        run = IdentityAssociator()
        shown = [[ids.tolist() for ids in run.update(views).global_ids] for views in steps]
        results.append((shown, run.finalize()))
    assert results[0] == results[1]
    first = [number for ids in results[0][0][0] for number in ids]
    assert first == list(range(1, len(first) + 1))


def test_somebody_who_comes_back_beside_their_successor_is_told_apart_at_once():
    looks = people(2)
    run = IdentityAssociator(revise_every=600.0)
    here, there = [100, 100, 140, 200], [300, 100, 340, 200]
    for step in range(10):
        first = run.update([view("a", step / 5, [1], looks[:1], [here])]).global_ids[0]
    for step in range(11, 14):  # a new track where the first one was, no embedding of it yet: taken for the first
        taken = run.update([view("a", step / 5, [2], boxes=[here])]).global_ids[0]
    assert taken == first
    result = run.update([view("a", 14 / 5, [1, 2], looks, [there, here])])
    assert result.global_ids[0][0] == first
    assert result.global_ids[0][1] != first
    (event,) = result.revisions
    assert (event.kind, event.camera, event.track, event.old) == ("split", "a", 2, first)
    again = run.update([view("a", 15 / 5, [1, 2], looks, [there, here])])
    assert again.global_ids[0].tolist() == result.global_ids[0].tolist()
    assert not again.revisions


def test_duplicate_boxes_of_one_person_are_one_identity():
    look = people(1)
    box = np.array([[100, 100, 140, 200], [102, 101, 141, 202]])
    for allowed in (True, False):
        run = IdentityAssociator(duplicates=allowed, revise_every=0.5)
        for step in range(12):
            run.update([view("a", step / 4, [1, 2], np.repeat(look, 2, axis=0), box + step)])
        final = run.finalize()
        assert (final["a", 1] == final["a", 2]) is allowed


def test_a_lost_track_is_taken_up_where_it_would_be():
    run = IdentityAssociator()
    for step in range(10):
        x = 100 + 10 * step
        run.update([view("a", step / 5, [1], boxes=[[x, 100, x + 40, 200]])])
    for step in range(14, 24):
        x = 100 + 10 * step
        boxes = [[x, 100, x + 40, 200], [540, 300, 580, 400]]
        run.update([view("a", step / 5, [2, 3], boxes=boxes)])
    final = run.finalize()
    assert final["a", 1] == final["a", 2]
    assert final["a", 1] != final["a", 3]


def test_without_embeddings_every_track_gets_a_number():
    run = IdentityAssociator()
    empty = np.zeros((2, 0), np.float32)
    result = run.update([view("a", 0.0, [3, 4], empty), view("b", 0.0, [], np.zeros((0, 0), np.float32))])
    assert [ids.tolist() for ids in result.global_ids] == [[1, 2], []]


def test_memory_is_bounded():
    rng = np.random.default_rng(0)
    run = IdentityAssociator(window=20, horizon=5.0, max_identities=30, max_tracks=50, revise_every=1.0)
    for step in range(300):
        run.update([view("a", float(step), [step], noisy(people(1, step), rng))])
    backend = run._backend
    assert len(backend._table) <= 40
    assert backend._table.size <= 256
    assert len(backend._window.gallery) <= 30
    assert len(run.finalize()) <= 90


def test_refine_keeps_every_track_open():
    run = IdentityAssociator(refine=True, window=5, horizon=1.0)
    looks = people(12)
    for step in range(12):
        run.update([view("a", 10.0 * step, [step], looks[step : step + 1])])
    assert len(run._backend._table) == 12
    assert len(run.finalize()) == 12


def test_given_travel_times_decide_who_may_be_next():
    look = people(1)

    def seconds_apart(gap, **settings):
        run = IdentityAssociator(**settings)
        for camera, begin in (("gate", 0.0), ("hall", 4.0 + gap)):
            for step in range(20):
                run.update([view(camera, begin + step / 5, [1], look)])
        final = run.finalize()
        return final["gate", 1] == final["hall", 1]

    known = {"travel_times": (("gate", "hall", 20.0, 40.0),), "margin": 4.0}
    assert seconds_apart(30.0, **known)
    assert not seconds_apart(5.0, **known)
    assert seconds_apart(5.0, margin=4.0)
    with pytest.raises(TrackerInputError, match="travel_times"):
        IdentityParams(travel_times=(("gate", "hall", 40.0, 20.0),))


def test_days_of_people_leave_no_trace_beyond_the_bounds():
    """Twenty-five hours, 1,000 tracks: what is held stops growing once the bounds are met."""
    rng = np.random.default_rng(0)
    run = IdentityAssociator(window=60, horizon=600.0, max_age=3600.0, max_identities=50, max_tracks=100)
    backend, sizes = run._backend, []
    for visit in range(1000):
        begin = 90.0 * visit
        for step in range(2):
            run.update([view(f"c{visit % 3}", begin + step, [visit], noisy(people(1, visit), rng))])
        if visit % 200 == 199:
            sizes.append(
                (
                    backend._table.size,
                    len(backend._table) <= 60 + 17,
                    len(backend._window.gallery) <= 50 + 60,
                    len(backend._closed) <= 100,
                    len(backend._window.asked) <= 60 + 17,
                    len(backend._window.barred) <= 60 + 17,
                    len(backend._due) <= 60 + 17,
                )
            )
    assert set(sizes) == {(256, True, True, True, True, True, True)}


def test_tracks_that_overlap_by_as_long_as_the_spread_divide_by_nothing():
    """0.8 s, at which the expected spread of a step backwards in time would be 0."""
    run, looks = IdentityAssociator(revise_every=0.1), people(4)
    lives = {0: (0.0, 0.1), 1: (0.0, 1.0), 2: (0.2, 2.0), 3: (1.5, 2.0)}
    for tenth in range(21):
        ids = [track for track, (start, end) in lives.items() if start <= tenth / 10 <= end]
        run.update([view("a", tenth / 10, ids, looks[ids])])
    assert len(set(run.finalize().values())) == 4
