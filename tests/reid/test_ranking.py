"""Ranking, re-ranking, single shot and thresholds against plain loops."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from relaytrack.reid.datasets.base import JUNK, ReidDataset, Split
from relaytrack.reid.errors import DatasetError
from relaytrack.reid.evaluation.protocol import score
from relaytrack.reid.evaluation.ranking import RankingScores, rank, rank_distances
from relaytrack.reid.evaluation.rerank import rerank
from relaytrack.reid.evaluation.single_shot import rank_single_shot
from relaytrack.reid.evaluation.threshold import calibrate, pair_similarities

Floats = NDArray[np.float32]


def people(seed: int, count: int, identities: int = 6) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
    draw = np.random.default_rng(seed)
    ids = draw.integers(JUNK, identities, count)
    centres = draw.normal(size=(identities + 1, 8))
    embeddings = (centres[ids + 1] + draw.normal(size=(count, 8))).astype(np.float32)
    return embeddings, ids.astype(np.int64), draw.integers(0, 3, count).astype(np.int64)


def plain(distances: Floats, qi, qc, gi, gc, same_camera_out: bool) -> RankingScores:  # type: ignore[no-untyped-def]
    firsts, precisions, penalties = [], [], []
    for row in range(len(qi)):
        ranked = []
        for column in range(len(gi)):
            if gi[column] == JUNK:
                continue
            if gi[column] == qi[row] and gc[column] == qc[row] and same_camera_out:
                continue
            ranked.append((distances[row, column], bool(gi[column] == qi[row])))
        ranked.sort()  # of equal distances the wrong one comes first
        if not any(right for _, right in ranked):
            continue
        hits, precision = 0, []
        for place, (_, right) in enumerate(ranked, start=1):
            if right:
                hits += 1
                precision.append(hits / place)
                last = place
                if hits == 1:
                    firsts.append(place)
        precisions.append(sum(precision) / hits)
        penalties.append(hits / last)
    found = np.array(firsts)
    return RankingScores.of(found, float(np.mean(precisions)), float(np.mean(penalties)), len(found))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.booleans(), st.sampled_from([1, 7, 256]))
def test_ranking_equals_a_plain_loop(seed: int, same_camera_out: bool, chunk: int) -> None:
    query, qi, qc = people(seed, 15)
    qi = np.abs(qi)
    gallery, gi, gc = people(seed + 1, 60)
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (query, gallery)]
    distances = -(unit[0] @ unit[1].T)
    expected = plain(distances, qi, qc, gi, gc, same_camera_out)
    found = rank(query, qi, qc, gallery, gi, gc, same_camera_out=same_camera_out, chunk=chunk)
    assert found.to_dict() == pytest.approx(expected.to_dict(), abs=1e-9)
    again = rank_distances(distances, qi, qc, gi, gc, same_camera_out=same_camera_out)
    assert again.to_dict() == pytest.approx(expected.to_dict(), abs=1e-9)


def test_ties_do_not_flatter() -> None:
    same = np.ones((3, 2), np.float32)
    ids, cameras = np.array([0, 1, 2]), np.array([1, 1, 1])
    found = rank(same[:1], ids[:1], np.array([0]), same, ids, cameras)
    assert (found.rank1, found.rank5) == (0.0, 1.0)
    assert found.mean_ap == pytest.approx(1 / 3)


def test_a_known_case() -> None:
    query = np.array([[1, 0]], np.float32)
    angles = np.deg2rad([5, 10, 20, 30, 40, 50])
    gallery = np.stack((np.cos(angles), np.sin(angles)), 1).astype(np.float32)
    ids = np.array([JUNK, 0, 9, 0, 9, 0])
    cameras = np.array([1, 0, 1, 1, 1, 1])  # the second is the query's own camera
    found = rank(query, np.array([0]), np.array([0]), gallery, ids, cameras)
    assert (found.rank1, found.rank5) == (0.0, 1.0)
    assert found.mean_ap == pytest.approx((1 / 2 + 2 / 4) / 2)
    assert found.mean_inp == pytest.approx(2 / 4)


def test_no_match_at_all_is_an_error() -> None:
    x = np.eye(2, dtype=np.float32)
    with pytest.raises(DatasetError, match="no query has a match"):
        rank(x, np.array([0, 1]), np.array([0, 0]), x, np.array([2, 3]), np.array([1, 1]))


def plain_rerank(query: Floats, gallery: Floats, k1: int, k2: int, weight: float) -> Floats:
    """The method as its paper has it, on full matrices."""
    x = np.concatenate((query, gallery))
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    original = 2 - 2 * x @ x.T
    np.fill_diagonal(original, 0)
    original = original / original.max(1, keepdims=True)
    nearest = np.argsort(original, axis=1, kind="stable")
    total = len(x)

    def reciprocal(i: int, k: int) -> list[int]:
        return [int(j) for j in nearest[i, : k + 1] if i in nearest[j, : k + 1]]

    v = np.zeros((total, total))
    for i in range(total):
        own = reciprocal(i, k1)
        grown = set(own)
        for j in own:
            theirs = reciprocal(j, round(k1 / 2))
            if len(set(theirs) & set(own)) > 2 / 3 * len(theirs):
                grown |= set(theirs)
        members = sorted(grown)
        v[i, members] = np.exp(-original[i, members])
        v[i] /= v[i].sum()
    v = np.stack([v[nearest[i, :k2]].mean(0) for i in range(total)])
    lowest = np.minimum(v[: len(query), None], v[None, len(query) :]).sum(2)
    jaccard = 1 - lowest / (2 - lowest)
    return ((1 - weight) * jaccard + weight * original[: len(query), len(query) :]).astype(np.float32)


def test_reranking_equals_the_dense_method() -> None:
    query, _, _ = people(3, 8)
    gallery, _, _ = people(4, 40)
    for k1, k2, weight in ((8, 3, 0.3), (20, 6, 0.3), (5, 1, 0.0)):
        expected = plain_rerank(query, gallery, k1, k2, weight)
        np.testing.assert_allclose(rerank(query, gallery, k1=k1, k2=k2, weight=weight), expected, atol=2e-5)


def test_single_shot_ranks_one_image_per_identity() -> None:
    draw = np.random.default_rng(0)
    ids = np.repeat(np.arange(5), 4)
    cameras = np.tile([0, 0, 1, 1], 5)
    perfect = np.eye(5, dtype=np.float32)[ids]
    assert rank_single_shot(perfect, ids, cameras, perfect, ids, cameras).rank1 == 1.0
    noise = draw.normal(size=(20, 64)).astype(np.float32)
    chance = rank_single_shot(noise, ids, cameras, noise, ids, cameras, repeats=40)
    assert chance.queries == 20
    assert 0.1 < chance.rank1 < 0.35  # one of five
    assert chance.rank5 == 1.0, "there are only five images to rank"


def test_the_protocol_averages_splits_and_refuses_empty_ones() -> None:
    from pathlib import Path

    rows = [(Path(f"{identity}_{camera}"), identity, camera) for identity in range(4) for camera in (0, 1)]
    whole = Split.of(rows)
    part = ReidDataset("own", whole, whole.take(whole.cameras == 0), whole.take(whole.cameras == 1))

    def embed(paths):  # type: ignore[no-untyped-def]
        return np.eye(4, dtype=np.float32)[[int(path.name[0]) for path in paths]]

    scores = score([part, part], embed, with_rerank=True)
    assert scores["single_query"].rank1 == scores["reranked"].rank1 == 1.0
    assert scores["single_query"].queries == 8
    empty = ReidDataset("own", whole, whole.take(whole.cameras == 5), whole)
    with pytest.raises(DatasetError, match="the query split has no images"):
        score([empty], embed)


def test_thresholds_have_the_error_rates_that_they_say() -> None:
    draw = np.random.default_rng(0)
    ids = np.repeat(np.arange(60), 6)
    cameras = np.tile([0, 1, 2], 120)
    centres = draw.normal(size=(60, 16))
    embeddings = (centres[ids] + 0.7 * draw.normal(size=(360, 16))).astype(np.float32)
    found = calibrate(embeddings, ids, cameras)
    same, different = pair_similarities(embeddings, ids, cameras)
    assert (found.same, found.different) == (len(same), len(different))
    assert len(same) == 60 * 12
    for point in (found.equal_error, found.strict):
        assert point.false_accept == pytest.approx((different >= point.threshold).mean())
        assert point.false_reject == pytest.approx((same < point.threshold).mean())
    assert found.equal_error.false_accept == pytest.approx(found.equal_error.false_reject, abs=0.005)
    assert found.strict.false_accept <= 1e-3
    lower = np.nextafter(np.float32(found.strict.threshold), np.float32(-2))
    assert (different >= lower).mean() > 1e-3, "no lower threshold would do"
    chance = found.probability(np.array([-1, found.equal_error.threshold, 1], np.float32))
    assert (np.diff(chance) > 0).all()
    assert chance[1] == pytest.approx(0.5, abs=0.2)


def test_a_threshold_needs_two_cameras() -> None:
    x = np.eye(3, dtype=np.float32)
    with pytest.raises(DatasetError, match="two cameras"):
        calibrate(x, np.array([0, 0, 1]), np.array([0, 0, 0]))


def test_a_gallery_of_junk_alone_is_told(tmp_path: Path) -> None:
    """Fault: a traceback, since a network was asked to embed nothing."""
    junk = Split((tmp_path / "a.jpg",), np.array([JUNK]), np.array([1]))
    query = Split((tmp_path / "b.jpg",), np.array([3]), np.array([2]))

    def embed(paths: Sequence[Path]) -> Floats:
        assert len(paths)
        return np.eye(len(paths), 4, dtype=np.float32)

    with pytest.raises(DatasetError, match=r"mine: all images of the gallery split are junk \(identity -1\)"):
        score([ReidDataset("mine", query, query, junk)], embed)
