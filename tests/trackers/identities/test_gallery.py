"""The gallery of known identities."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from relaytrack.trackers.identities.gallery import Gallery


def unit(count, size=16, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(count, size)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_a_query_finds_whom_it_resembles():
    gallery, looks = Gallery(tracks=4, most=1000), unit(200)
    for identity, look in enumerate(looks, start=1):
        gallery.add(identity, look[None], time=float(identity))
    found = gallery.query(looks[[10, 150]], least=0.9)
    assert found.query.tolist() == [0, 1]
    assert found.identity.tolist() == [11, 151]
    np.testing.assert_allclose(found.similarity, 1, atol=1e-5)
    assert len(gallery.query(-looks[:1], least=0.99).query) == 0


def test_few_and_diverse_embeddings_are_kept():
    gallery = Gallery(tracks=3, most=10)
    looks = unit(3)
    for _ in range(4):
        for look in looks:
            gallery.add(1, look[None], time=0.0)
    kept = gallery.kept(1)
    assert len(kept) == 3
    np.testing.assert_allclose((kept @ looks.T).max(axis=0), 1, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 20), st.booleans()), max_size=60))
def test_it_is_a_dictionary_after_any_history(history):
    gallery, model, looks = Gallery(tracks=2, most=1000), {}, unit(60)
    for step, (identity, remove) in enumerate(history):
        if remove and identity in model:
            gallery.forget(identity)
            del model[identity]
        elif not remove:
            gallery.add(identity, looks[step : step + 1], time=float(step))
            model[identity] = step
    assert sorted(gallery.identities.tolist()) == sorted(model)
    assert len(gallery) == len(model)
    for identity, step in model.items():
        assert gallery.seen(identity) == step
        assert identity in gallery


def test_the_longest_unseen_age_out():
    gallery, looks = Gallery(tracks=1, most=5), unit(10)
    for identity in range(10):
        gallery.add(identity + 1, looks[identity][None], time=float(identity))
    assert sorted(gallery.age(before=2.0)) == [1, 2, 3, 4, 5]
    assert sorted(gallery.identities.tolist()) == [6, 7, 8, 9, 10]
