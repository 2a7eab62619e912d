"""Corrections of many tracks are spread over steps: no step waits long, and nothing is lost by it."""

import pickle

import numpy as np
import pytest

from relaytrack.trackers import CameraTracks, IdentityAssociator, IdentityParams
from relaytrack.trackers.identities import joint, slices
from relaytrack.trackers.identities.learning import among, learn
from relaytrack.trackers.identities.pairs import UNKNOWN, UNKNOWN_WEIGHT, PairEvidence

D = 32


def looks(count, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(count, D))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def step(time, cameras, count, *, first=0, embeddings=None):
    """A moment: each camera shows its own people, side by side."""
    views = []
    for camera in range(cameras):
        ids = np.arange(first + 1, first + count + 1)
        left = 50.0 * np.arange(count)
        boxes = np.stack([left, np.full(count, 100.0), left + 40, np.full(count, 200.0)], axis=1).astype(np.float32)
        vectors = looks(count, seed=1000 * camera + first) if embeddings is None else embeddings
        scores = np.ones(count, np.float32)
        views.append(CameraTracks(f"c{camera}", time, ids, boxes, scores, vectors, image_size=(800, 480)))
    return views


@pytest.fixture
def small_slices(monkeypatch):
    monkeypatch.setattr(slices, "CELLS", 64)


def follow(run, steps, cameras=4, count=6):
    out = []
    for number in range(steps):
        found = run.update(step(number / 4, cameras, count))
        out.append(([ids.tolist() for ids in found.global_ids], found.revisions))
    return out


def test_a_correction_in_slices_decides_what_one_at_once_decides(monkeypatch):
    shared = looks(6)
    results = []
    for cells in (slices.CELLS, 64):
        monkeypatch.setattr(slices, "CELLS", cells)
        run = IdentityAssociator()
        for number in range(40):  # the same six people pass one camera after the other
            ((seen,)) = step(number / 4, 1, 6, first=10 * (number // 10), embeddings=shared)
            run.update([seen])
        results.append(run.finalize())
    assert results[0] == results[1]


def test_no_step_does_a_whole_correction(small_slices):
    run = IdentityAssociator(revise_every=1.0)
    follow(run, 5)
    assert run.correcting
    follow_on = [run.update(step(2 + number / 4, 4, 6)) and run.correcting for number in range(200)]
    assert follow_on.index(False) > 5  # it took several steps, and came to its end


def test_a_pickle_leaves_a_correction_out_and_goes_on(small_slices):
    run = IdentityAssociator(revise_every=1.0)
    follow(run, 5)
    again = pickle.loads(pickle.dumps(run))
    assert run.correcting
    assert not again.correcting
    assert again.finalize() == run.finalize()


def test_a_track_first_seen_clearly_between_two_slices_counts_as_unknown_until_the_next_correction():
    pairs = PairEvidence(IdentityParams(), {})
    vectors = looks(3)
    unclear = vectors.copy()
    unclear[2] = np.nan
    ((slots,), _) = pairs.observe(step(0.0, 1, 3, embeddings=unclear))
    scores = slices.finish(learn(pairs, slots))
    pairs.observe(step(0.25, 1, 3, embeddings=vectors))
    evidence = slices.finish(among(pairs, slots, scores))
    assert evidence.weight[2] == pytest.approx(UNKNOWN_WEIGHT)
    assert evidence.mean[2] == pytest.approx(UNKNOWN * UNKNOWN_WEIGHT)
    assert evidence.weight[0, 1] == 1


def test_people_can_be_forgotten_while_a_correction_goes_on(small_slices):
    run = IdentityAssociator(revise_every=1.0)
    follow(run, 5)
    assert run.correcting
    gone = run.update(step(1.5, 4, 6)).global_ids[0].tolist()[:2]
    run.forget(gone)
    assert not run.correcting
    assert not set(run.finalize().values()) & set(gone)


def test_many_tracks_that_leave_are_closed_over_several_steps(monkeypatch):
    monkeypatch.setattr(joint, "CLOSED", 5)
    run = IdentityAssociator(revise_every=1.0, window=2, horizon=1.0)
    follow(run, 4, cameras=2, count=8)
    sizes = []
    for number in range(12):
        run.update(step(20 + number / 4, 1, 1, first=100 + number))
        sizes.append(len(run._backend._table))
    falls = -np.diff([16, *sizes]) + 1
    assert falls.max() <= 5
    assert sizes[-1] <= 12
    assert len(run.finalize()) == 16 + 12


def test_more_live_tracks_than_the_window_holds_are_corrected_in_part():
    run = IdentityAssociator(revise_every=1.0, window=5)
    follow(run, 30)
    assert run._backend._nodes <= 5
    assert len(set(run.finalize().values())) == 24


@pytest.mark.parametrize(("rows", "columns"), [(0, 4), (7, 3), (1000, 1000), (2000, 5000)])
def test_blocks_cover_every_row_once(rows, columns):
    found = [row for part in slices.blocks(rows, columns) for row in range(part.start, part.stop)]
    assert found == list(range(rows))
