"""CUHK03's classic protocol: one random image of each gallery identity at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from relaytrack.reid.errors import DatasetError
from relaytrack.reid.evaluation.ranking import Ids, RankingScores, normalise


def rank_single_shot(
    query: NDArray[np.float32],
    query_ids: Ids,
    query_cameras: Ids,
    gallery: NDArray[np.float32],
    gallery_ids: Ids,
    gallery_cameras: Ids,
    *,
    repeats: int = 10,
    seed: int = 0,
) -> RankingScores:
    """Rank each query among one random image per identity, its own identity's from another camera.

    Args:
        query: (Q, D) embeddings.
        query_ids: (Q,).
        query_cameras: (Q,).
        gallery: (G, D) embeddings.
        gallery_ids: (G,).
        gallery_cameras: (G,).
        repeats: random galleries per query, averaged.
        seed: of the random galleries.

    Returns:
        The scores; with one match per query mAP and mINP are both the mean reciprocal rank.

    Raises:
        DatasetError: no query has a match under another camera.
    """
    draw = np.random.default_rng(seed)
    similarity = normalise(query) @ normalise(gallery).T
    identities, number = np.unique(gallery_ids, return_inverse=True)
    ranks: list[int] = []
    counted = 0
    for row, (identity, camera) in enumerate(zip(query_ids, query_cameras, strict=True)):
        allowed = ~((gallery_ids == identity) & (gallery_cameras == camera))
        if not (allowed & (gallery_ids == identity)).any():
            continue
        counted += 1
        place = int(np.searchsorted(identities, identity))
        for _ in range(repeats):
            # the allowed image with the highest random number is each identity's one
            lot = np.where(allowed, draw.random(len(gallery_ids)), -1.0)
            order = np.lexsort((lot, number))
            last = np.flatnonzero(np.diff(number[order], append=-1))
            chosen = order[last]
            chosen, own = chosen[lot[chosen] >= 0], order[last[place]]
            others = similarity[row, chosen[chosen != own]]
            ranks.append(1 + int((others >= similarity[row, own]).sum()))
    if not ranks:
        raise DatasetError("no query has a match in the gallery: nobody of the queries is there under another camera")
    found = np.array(ranks)
    reciprocal = float(np.mean(1 / found))
    return RankingScores.of(found, reciprocal, reciprocal, counted)
