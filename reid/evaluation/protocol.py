"""Each data set under its own protocol."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from relaytrack.reid.datasets.base import JUNK, ReidDataset
from relaytrack.reid.errors import DatasetError
from relaytrack.reid.evaluation.embed import Embed
from relaytrack.reid.evaluation.ranking import RankingScores, rank, rank_distances
from relaytrack.reid.evaluation.rerank import rerank
from relaytrack.reid.evaluation.single_shot import rank_single_shot


def score(splits: Sequence[ReidDataset], embed: Embed, *, with_rerank: bool = False) -> dict[str, RankingScores]:
    """Scores of all splits of a data set, averaged over them.

    Args:
        splits: from `relaytrack.reid.datasets.factory.load_splits`.
        embed: files to embeddings (N, D).
        with_rerank: k-reciprocal re-ranking as well (not for single-shot protocols).

    Returns:
        "single_query" and, if asked for, "reranked".

    Raises:
        DatasetError: a split has no queries, no gallery or no matches; a file cannot be decoded.
    """
    found: dict[str, list[RankingScores]] = {}
    for part in splits:
        for name, scores in _score_one(part, embed, with_rerank).items():
            found.setdefault(name, []).append(scores)
    return {name: mean(scores) for name, scores in found.items()}


def mean(scores: Sequence[RankingScores]) -> RankingScores:
    """The mean of several scores; their queries add up."""
    fields = [field.name for field in dataclasses.fields(RankingScores) if field.name != "queries"]
    means = {name: float(np.mean([getattr(one, name) for one in scores])) for name in fields}
    return RankingScores(**means, queries=sum(one.queries for one in scores))


def _score_one(part: ReidDataset, embed: Embed, with_rerank: bool) -> dict[str, RankingScores]:
    for name, split in (("query", part.query), ("gallery", part.gallery)):
        if len(split) == 0:
            raise DatasetError(f"{part.name}: the {name} split has no images")
    ranked = part.gallery.take(part.gallery.ids != JUNK)  # junk is in no ranking: not worth embedding
    if len(ranked) == 0:
        raise DatasetError(f"{part.name}: all images of the gallery split are junk (identity {JUNK})")
    query, gallery = embed(part.query.paths), embed(ranked.paths)
    about = (part.query.ids, part.query.cameras)
    if part.single_shot:
        scores = rank_single_shot(query, *about, gallery, ranked.ids, ranked.cameras)
        return {"single_query": scores}
    ids, cameras, apart = ranked.ids, ranked.cameras, part.same_camera_out
    result = {"single_query": rank(query, *about, gallery, ids, cameras, same_camera_out=apart)}
    if with_rerank:
        distances = rerank(query, gallery)
        result["reranked"] = rank_distances(distances, *about, ids, cameras, same_camera_out=apart)
    return result
