"""A shortlist of identities gives the decisions that looking at all pairs gives."""

import numpy as np
import pytest
from support.wanderers import unit

from relaytrack.trackers import CameraTracks, IdentityAssociator
from relaytrack.trackers.identities import decisions
from relaytrack.trackers.identities.preparing import SMALL
from relaytrack.trackers.identities.shortlisted_scores import PairScores, choose

D = 24


def site(seed, cameras=10, people=60, steps=40, rate=4.0, blind=0.15, late=False, twice=0.3):
    """People walk from camera to camera; some are seen by two at once, some crops have no embedding."""
    rng = np.random.default_rng(seed)
    looks = unit(rng.normal(size=(people, D)) + 0.8 * rng.normal(size=D))
    looks[1::7] = unit(looks[::7][: len(looks[1::7])] + 0.25 * rng.normal(size=looks[1::7].shape))  # who are alike
    at = rng.integers(0, cameras, people)
    beside = rng.random(people) < twice
    track = np.arange(1, 2 * people + 1).reshape(2, people)
    following, place = 2 * people + 1, rng.uniform((0, 0), (500, 200), (people, 2))
    for step in range(steps):
        place += rng.normal(0, 4, place.shape)
        for person in np.flatnonzero(rng.random(people) < 0.1):
            at[person] = rng.integers(0, cameras)
            track[:, person] = following, following + 1
            following += 2
            place[person] = rng.uniform((0, 0), (500, 200))
        views = []
        for camera in range(cameras):
            first, second = at == camera, beside & ((at + 1) % cameras == camera)
            rows = [(0, p) for p in np.flatnonzero(first)] + [(1, p) for p in np.flatnonzero(second)]
            rows = [row for row in rows if rng.random() < 0.92]
            who = np.array([p for _, p in rows], np.int64)
            ids = np.array([track[row] for row in rows], np.int64)
            vectors = unit(looks[who] + 0.35 * rng.normal(size=(len(who), D)) / np.sqrt(D) * 2)
            vectors[rng.random(len(who)) < blind] = np.nan
            boxes = np.hstack([place[who], place[who] + (40, 110)]).astype(np.float32)
            time = step / rate + (3.5 if late and camera % 3 else 0.0)
            scores = rng.uniform(0.4, 1, len(who)).astype(np.float32)
            views.append(CameraTracks(f"c{camera}", time, ids, boxes, scores, vectors, image_size=(640, 480)))
        yield views


def told(monkeypatch, tracks, views, **settings):
    """All that the association says, where all pairs are looked at up to so many tracks."""
    monkeypatch.setattr(decisions, "ALL", tracks)
    run = IdentityAssociator(max_late=4.0, **settings)
    out = []
    for step in views:
        found = run.update(step)
        out.append(([ids.tolist() for ids in found.global_ids], found.revisions))
    return out, run.finalize()


@pytest.mark.parametrize(
    ("seed", "case", "settings"),
    [
        (1, {}, {}),
        (2, {"late": True}, {}),
        (3, {"blind": 0.6}, {"margin": 1.0}),
        (4, {"blind": 1.0, "steps": 30}, {}),
        (5, {"steps": 60}, {"window": 40, "margin": 1.5}),  # most people are known from the gallery
        (6, {"twice": 1.0}, {"margin": 0.5, "crowd_margin": 0.0}),
        (7, {"steps": 60}, {"travel_times": (("c0", "c1", 0.0, 3.0),), "return_ratio": 0.3, "window": 60}),
        (8, {"cameras": 3}, {"time_weight": 0.0, "motion_weight": 0.0}),
        (9, {"cameras": 4, "twice": 1.0}, {"margin": 0.0, "duplicates": False}),
    ],
)
def test_decisions_are_those_of_all_pairs(monkeypatch, seed, case, settings):
    few, few_final = told(monkeypatch, SMALL, site(seed, **case), **settings)
    every, every_final = told(monkeypatch, 10**9, site(seed, **case), **settings)
    assert few == every
    assert few_final == every_final


def test_the_shortlist_is_used_and_leaves_most_out(monkeypatch):
    looked_at = []
    whole = decisions.shortlisted_scores

    def counted(window, new, similarity):
        found = whole(window, new, similarity)
        looked_at.append((len(found.row), len(new) * len(window.table)))
        return found

    monkeypatch.setattr(decisions, "shortlisted_scores", counted)
    told(monkeypatch, SMALL, site(1))
    kept, every = np.sum(looked_at, axis=0)
    assert 0 < kept < every / 50


def test_equal_scores_and_contested_identities_fall_as_among_all(monkeypatch):
    """Exactly equal looks in one camera: two tracks want one identity, and the optimum decides."""

    def views():
        looks = np.eye(D, dtype=np.float32)[:20]
        for step in range(8):
            yield [
                CameraTracks(
                    f"c{camera}",
                    step / 2,
                    np.arange(20) + 1 + 100 * camera,
                    np.tile(np.array([5, 5, 45, 120], np.float32), (20, 1)) + np.arange(20, dtype=np.float32)[:, None],
                    np.ones(20, np.float32),
                    looks[(np.arange(20) // 2 * 2) if camera % 2 else np.arange(20)],
                )
                for camera in range(step + 1)
            ]

    assert told(monkeypatch, SMALL, views(), margin=0.1) == told(monkeypatch, 10**9, views(), margin=0.1)


def test_a_contested_identity_goes_to_the_better_total():
    class Table:
        camera = np.array([0, 0, 1])

    class Window:
        table = Table()

    found = PairScores(np.array([0, 0, 1, 2]), np.array([7, 8, 7, 7]), np.array([3.0, 2.5, 2.0, 1.0], np.float32))
    chosen, scores = choose(Window(), np.array([0, 1, 2]), found)  # slot = row here
    assert chosen.tolist() == [8, 7, 7]
    assert scores.tolist() == [2.5, 2.0, 1.0]


def test_many_who_begin_at_once_are_decided_by_whole_cameras():
    cameras = np.repeat([3, 1, 2], [300, 200, 400])
    parts = decisions._parts(cameras)
    assert [np.unique(cameras[part]).tolist() for part in parts] == [[1], [2], [3]]
    assert sorted(np.concatenate(parts).tolist()) == list(range(900))
    assert len(decisions._parts(np.zeros(600, np.int64))) == 1
    assert [len(part) for part in decisions._parts(np.zeros(512, np.int64))] == [512]


@pytest.mark.parametrize("many", [False, True])
def test_a_track_without_embedding_is_not_who_had_its_slot_before(monkeypatch, many):
    monkeypatch.setattr(decisions, "ALL", 0 if many else 10**9)
    rng = np.random.default_rng(3)
    run = IdentityAssociator(window=70, revise_every=0.5)
    looks = unit(rng.normal(size=(400, D)))

    def step(time, tracks, known=True):
        vectors = looks[tracks % 400] if known else np.full((len(tracks), D), np.nan, np.float32)
        left = 50.0 * np.arange(len(tracks))
        boxes = np.stack([left, left * 0, left + 40, left * 0 + 100], axis=1).astype(np.float32)
        scores = np.ones(len(tracks), np.float32)
        (ids,) = run.update([CameraTracks("a", time, tracks, boxes, scores, vectors)]).global_ids
        return ids

    for turn in range(30):  # ten at a time, all different: the first ones leave the window
        step(turn * 3.0, np.arange(10) + 10 * turn)
    table = run._backend._table
    gone = set(run._backend._window.gallery.identities.tolist())
    assert gone
    assert table._free
    run._backend._revised = 1e9  # no correction mends it in the same step
    found = step(100.0, np.arange(10) + 1000, known=False)
    assert not gone & set(found.tolist())
