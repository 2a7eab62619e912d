"""Agglomeration keeps its constraints, whatever the evidence."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relaytrack.trackers.identities.clustering import Evidence, agglomerate


def random_evidence(seed, count, share=0.2):
    rng = np.random.default_rng(seed)

    def symmetric(values):
        return np.triu(values, 1) + np.triu(values, 1).T

    mean = symmetric(rng.normal(0, 2, (count, count))).astype(np.float32)
    extra = symmetric(rng.normal(0, 1, (count, count)) * (rng.random((count, count)) < 0.1)).astype(np.float32)
    link = symmetric(rng.normal(0, 1, (count, count))).astype(np.float32)
    cannot_link = symmetric(rng.random((count, count)) < share).astype(bool)
    return Evidence(mean, np.ones((count, count), np.float32), extra, link, cannot_link)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 24), st.floats(0, 0.6))
def test_no_group_ever_holds_two_nodes_that_are_apart(seed, count, share):
    evidence = random_evidence(seed, count, share)
    labels = agglomerate(evidence)
    together = labels[:, None] == labels[None, :]
    assert not (together & evidence.cannot_link).any()


def between_groups(evidence, labels):
    groups = [np.flatnonzero(labels == group) for group in range(labels.max() + 1)]

    def fold(join, matrix):
        return np.array([[join(matrix[np.ix_(a, b)]) for b in groups] for a in groups])

    sums = (fold(np.sum, matrix) for matrix in (evidence.mean, evidence.weight, evidence.extra))
    return Evidence(*sums, fold(np.max, evidence.link), fold(np.any, evidence.cannot_link), evidence.limits)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 16))
def test_nothing_left_to_join_and_every_join_was_worth_it(seed, count):
    evidence = random_evidence(seed, count)
    labels = agglomerate(evidence)
    rest = between_groups(evidence, labels).score()
    assert (rest <= 1e-4).all()


def test_equals_a_plain_loop():
    for seed in range(8):
        evidence = random_evidence(seed, 14)
        groups = [[node] for node in range(14)]
        while True:
            best, pair = 0.0, None
            for i in range(len(groups)):
                for j in range(i + 1, len(groups)):
                    rows = np.ix_(groups[i], groups[j])
                    if evidence.cannot_link[rows].any():
                        continue
                    score = evidence.mean[rows].mean() + np.clip(evidence.extra[rows].sum(), -12, 10)
                    score += evidence.link[rows].max()
                    if score > best:
                        best, pair = score, (i, j)
            if pair is None:
                break
            groups[pair[0]] += groups.pop(pair[1])
        wanted = {frozenset(group) for group in groups}
        labels = agglomerate(evidence)
        assert {frozenset(np.flatnonzero(labels == name).tolist()) for name in set(labels.tolist())} == wanted


def test_labels_count_up_in_order_of_the_first_node():
    labels = agglomerate(random_evidence(3, 20))
    _, first = np.unique(labels, return_index=True)
    assert (np.diff(first) > 0).all()


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_and_one(count):
    assert agglomerate(random_evidence(0, count)).tolist() == [0] * count
