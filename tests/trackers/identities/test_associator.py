"""The association: constraints, corrections, bounds, determinism."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relaytrack.trackers import CameraTracks, GroundPlane, IdentityAssociator, IdentityParams
from relaytrack.trackers.errors import TimeError, TrackerInputError
from relaytrack.trackers.identities.switch_detector import PART, TrackParts

D = 32


def people(count, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(count, D))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def view(camera, time, ids, embeddings=None, boxes=None, size=(640, 480)):
    ids = np.asarray(ids, np.int64)
    if embeddings is None:
        embeddings = np.full((len(ids), D), np.nan, np.float32)
    if boxes is None:
        left = 60.0 * (ids % 10)
        boxes = np.stack([left + 5, np.full(len(ids), 100.0), left + 45, np.full(len(ids), 200.0)], axis=1)
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    return CameraTracks(camera, time, ids, boxes, np.ones(len(ids), np.float32), embeddings, image_size=size)


def noisy(vectors, rng, amount=0.5):
    out = vectors + amount * rng.normal(size=vectors.shape) / np.sqrt(D)
    return (out / np.linalg.norm(out, axis=1, keepdims=True)).astype(np.float32)


def crowd(seed, cameras=3, count=6, steps=60, rate=4.0):
    """People wander from camera to camera; every visit is a track of its own. Yields views and the truth."""
    rng = np.random.default_rng(seed)
    looks, where = people(count, seed), rng.integers(0, cameras, count)
    track, following, truth = np.arange(1, count + 1), count + 1, {}
    steps_out = []
    for step in range(steps):
        for person in np.flatnonzero(rng.random(count) < 0.06):
            where[person] = rng.integers(0, cameras)
            track[person], following = following, following + 1
        views = []
        for camera in range(cameras):
            here = np.flatnonzero((where == camera) & (rng.random(count) < 0.9))
            truth.update({(f"c{camera}", int(track[p])): int(p) for p in here})
            views.append(view(f"c{camera}", step / rate, track[here], noisy(looks[here], rng)))
        steps_out.append(views)
    return steps_out, truth


def conflicts(steps):
    pairs = set()
    for views in steps:
        for seen in views:
            keys = [(seen.camera, int(track)) for track in seen.ids]
            pairs |= {(a, b) for a in keys for b in keys if a < b}
    return pairs


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


def test_bad_input_is_named():
    run = IdentityAssociator()
    good = view("door", 1.0, [1, 2])
    run.update([good])
    with pytest.raises(TimeError, match="door"):
        run.update([view("door", -5.0, [1])])
    with pytest.raises(TrackerInputError, match=r"door.*twice"):
        run.update([view("door", 1.0, [1, 1])])
    with pytest.raises(TrackerInputError, match=r"door.*xyxy"):
        run.update([CameraTracks("door", 1.0, good.ids, good.xyxy[:1], good.scores, good.embeddings)])
    run.update([view("door", 1.5, [3], people(1))])
    with pytest.raises(TrackerInputError, match=r"door.*numbers"):
        run.update([view("door", 2.0, [4], np.ones((1, 7), np.float32))])


@pytest.mark.parametrize(
    ("field", "value"),
    [("method", "magic"), ("threshold", 2.0), ("window", 0), ("horizon", -1.0), ("normalise", "x")],
)
def test_bad_settings_are_named(field, value):
    with pytest.raises(TrackerInputError, match=field):
        IdentityParams(**{field: value})


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


def test_the_border_is_that_of_the_part_looked_at():
    from relaytrack.trackers.identities.picture_zones import BORDER, INSIDE
    from relaytrack.trackers.identities.tracklets import TrackletTable

    table = TrackletTable(bank=2, min_quality=0.2)
    boxes = np.array([[605, 300, 645, 400], [800, 300, 840, 400]], np.float32)
    embeddings = np.full((2, 0), np.nan, np.float32)
    seen = CameraTracks(
        "a", 0.0, np.array([1, 2]), boxes, np.ones(2, np.float32), embeddings, None, (1200, 700), (600, 100)
    )
    (slots,), _ = table.observe([seen])
    assert table.zones(slots)[0].tolist() == [BORDER, INSIDE]


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


def floor_box(place):
    """A box whose feet stand at (x, y) metres where a pixel is a centimetre."""
    x, y = 100 * np.asarray(place)
    return [x - 25, y - 170, x + 25, y]


def parted(jump, **settings):
    """Two people stand apart on a floor that three cameras see; in camera b their tracks change places."""
    from relaytrack.trackers import GroundPlane

    plane = GroundPlane.from_homography(np.diag([0.01, 0.01, 1.0]))
    run = IdentityAssociator(calibrations=dict.fromkeys("abc", plane), **settings)
    places = np.array([[3.0, 4.0], [9.0, 4.0]])
    steps = []
    for frame in range(60):
        now = places + 0.02 * frame
        views = []
        for camera in "abc":
            ids = [2, 1] if camera == "b" and jump <= frame else [1, 2]
            boxes = [floor_box(place) for place in now]
            views.append(view(camera, frame / 7, ids, np.zeros((2, 0), np.float32), boxes, size=(1400, 1000)))
        steps.append(run.update(views))
    return steps, run.finalize()


def test_a_track_that_jumps_to_another_person_goes_on_as_a_new_one():
    steps, final = parted(30)
    names = {camera: set(np.concatenate([step.track_ids[row] for step in steps])) for row, camera in enumerate("abc")}
    assert len(names["a"]) == len(names["c"]) == 2
    assert len(names["b"]) == 4
    for row, camera in enumerate("abc"):  # the first box is the same person in all, at the end
        assert final[camera, int(steps[-1].track_ids[row][0])] == final["a", 1]
    assert final["b", 1] == final["a", 1]
    assert final["b", 2] == final["a", 2]
    assert len(set(final.values())) == 2


def test_the_parts_of_a_track_are_told_apart_whatever_its_id():
    """Fault: a track whose id was above a million could jump to another person unnoticed."""
    for track in (7, PART + 7, 3 * PART):
        parts = TrackParts()
        for jump in range(3):
            present = parts.rename("a", np.array([track, 2])).tolist()
            assert present == [track + jump * PART, 2]
            for earlier in range(jump):
                parts.part("a", track + earlier * PART)
                parts.forget("a", track + earlier * PART)
            assert parts.rename("a", np.array([track])).tolist() == present[:1], "an earlier part is no more"
            parts.part("a", present[0])
        assert parts.rename("b", np.array([track])).tolist() == [track]
        parts.forget("a", track + 3 * PART)
        assert not parts


def test_a_floor_that_is_taken_away_and_given_again_knows_nothing_of_new_tracks():
    """Fault: a new track in the place of an old one had the evidence that was collected about that one."""
    plane = GroundPlane.from_homography(np.diag([0.01, 0.01, 1.0]))
    run, nothing = IdentityAssociator(calibrations=dict.fromkeys("ab", plane)), np.zeros((1, 0), np.float32)

    def see(time, track, places):
        views = [
            view(camera, time, [track], nothing, [floor_box(place)], size=(1400, 1000))
            for camera, place in zip("ab", places, strict=True)
        ]
        return [ids.tolist() for ids in run.update(views).global_ids]

    for frame in range(20):
        both = see(frame / 7, 1, [(3.0, 4.0), (3.0, 4.0)])
    assert both[0] == both[1], "one place, one person"
    for camera in "ab":
        run.calibrate(camera, None)
    run.forget(both[0])
    floor = run._backend._pairs.floor
    assert not floor._sum.any(), "nothing is kept of who is forgotten"
    see(5.0, 2, [(3.0, 4.0), (9.0, 4.0)])
    for camera in "ab":
        run.calibrate(camera, plane)
    assert not floor.together(np.array([0]), np.array([1])).any()


def test_tracks_that_do_not_jump_are_left_alone():
    steps, final = parted(1000)
    assert all((ids == [1, 2]).all() for step in steps for ids in step.track_ids)
    assert len(set(final.values())) == 2
    whole, _ = parted(30, split_switched_tracks=False)
    assert set(np.concatenate([step.track_ids[1] for step in whole])) == {1, 2}


def test_tracks_that_overlap_by_as_long_as_the_spread_divide_by_nothing():
    """0.8 s, at which the expected spread of a step backwards in time would be 0."""
    run, looks = IdentityAssociator(revise_every=0.1), people(4)
    lives = {0: (0.0, 0.1), 1: (0.0, 1.0), 2: (0.2, 2.0), 3: (1.5, 2.0)}
    for tenth in range(21):
        ids = [track for track, (start, end) in lives.items() if start <= tenth / 10 <= end]
        run.update([view("a", tenth / 10, ids, looks[ids])])
    assert len(set(run.finalize().values())) == 4


def test_a_camera_that_is_calibrated_after_its_people_came_is_corrected():
    associator = IdentityAssociator()
    looks = people(2)
    for step in range(8):
        associator.update([view("door", step / 4, [1], looks[:1]), view("gate", step / 4, [2], looks[1:])])
    associator.calibrate("door", GroundPlane(np.diag([0.01, 0.01, 1.0])))
    assert len(associator.finalize()) == 2


@pytest.mark.parametrize("method", ["joint", "appearance"])
@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"camera": None}, "name"),
        ({"camera": ["a"]}, "name"),
        ({"time": None}, "time"),
        ({"time": "1"}, "time"),
        ({"time": 1j}, "time"),
        ({"ids": np.array(["a"])}, "ids"),
        ({"ids": np.array([1.5])}, "ids"),
        ({"ids": np.array([2**63], np.uint64)}, "ids"),
        ({"xyxy": np.full((1, 4), "a")}, "xyxy"),
        ({"scores": None}, "scores"),
        ({"scores": np.array(["a"])}, "scores"),
        ({"embeddings": None}, "embeddings"),
        ({"embeddings": np.full((1, 8), 1j)}, "embeddings"),
        ({"embeddings": np.ones((1, 4), np.float32)}, "embeddings have 4 numbers, those before had 8"),
        ({"quality": np.array(["good"])}, "quality"),
        ({"image_size": "ab"}, "image_size"),
        ({"image_size": (640,)}, "image_size"),
    ],
)
def test_a_bad_view_is_named_and_leaves_no_trace(method, given, names):
    vectors = people(1)[:, :8]
    associator = IdentityAssociator(method=method)
    associator.update([view("a", 0.0, [1], vectors)])
    good = view("b", 0.5, [1], vectors)
    with pytest.raises(TrackerInputError, match=names):
        associator.update([good, replace(view("a", 0.5, [1], vectors), **given)])
    with pytest.raises(TrackerInputError):
        associator.update([replace(good, time=1e6), replace(good, ids=np.array([[1]]))])
    step = associator.update([view("a", 1.0, [1], vectors)])
    assert step.global_ids[0].tolist() == [1]
    assert set(associator.finalize()) == {("a", 1)}


def test_lists_of_numbers_are_read_as_arrays():
    vectors = people(2)
    plain, other = IdentityAssociator(), IdentityAssociator()
    for k in range(6):
        seen = view("a", k / 2, [1, 2], vectors)
        listed = CameraTracks("a", k / 2, [1, 2], seen.xyxy.tolist(), seen.scores.tolist(), vectors.tolist())
        listed = replace(listed, image_size=seen.image_size)
        assert plain.update([seen]).global_ids[0].tolist() == other.update([listed]).global_ids[0].tolist()


@pytest.mark.parametrize("views", [None, 3, [None], view("a", 0.0, [1])])
def test_what_is_no_list_of_views_is_refused(views):
    with pytest.raises(TrackerInputError, match="CameraTracks"):
        IdentityAssociator().update(views)


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"nosuch": 1}, "nosuch"),
        ({"params": 3}, "IdentityParams"),
        ({"threshold": "a"}, "threshold"),
        ({"margin": "3"}, "margin"),
        ({"margin": float("nan")}, "margin"),
        ({"gallery": 2.5}, "gallery"),
        ({"window": True}, "window"),
        ({"duplicates": 2}, "duplicates"),
        ({"revise_every": 0}, "revise_every"),
        ({"travel_times": 3}, "travel_times"),
        ({"travel_times": [("a", "b", "x", 2)]}, "travel_times"),
        ({"travel_times": [3]}, "travel_times"),
        ({"max_late": "1"}, "max_late"),
        ({"max_late": -1}, "max_late"),
        ({"max_late": None}, "max_late"),
        ({"calibrations": {"lobby": 3}}, "lobby"),
    ],
)
def test_settings_of_the_wrong_type_are_named(settings, names):
    with pytest.raises(TrackerInputError, match=names):
        IdentityAssociator(**settings)


def test_a_calibration_that_is_none_is_refused_at_once():
    associator = IdentityAssociator()
    with pytest.raises(TrackerInputError, match="lobby"):
        associator.calibrate("lobby", 3)
    for wrong in ("x", None, [[1, 0], [0, 1]]):
        with pytest.raises(TrackerInputError, match="homography"):
            GroundPlane.from_homography(wrong)
        with pytest.raises(TrackerInputError, match="homography"):
            GroundPlane(wrong)


@pytest.mark.parametrize(
    "features", [np.zeros((2, D)), np.zeros(D), np.full((1, D), np.nan), np.full((1, D), "a"), np.zeros((0, D))]
)
def test_known_people_need_an_embedding_each(features):
    associator = IdentityAssociator()
    with pytest.raises(TrackerInputError, match="features"):
        associator.remember(np.array([7]), features, 0.0)
    with pytest.raises(TimeError, match="time"):
        associator.remember(np.array([7]), people(1), None)
