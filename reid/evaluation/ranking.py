"""Ranking quality: CMC, mean average precision (mAP) and mean inverse negative penalty (mINP).

Gallery images at exactly the distance of a match are ranked before it: ties never flatter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from relaytrack.reid.datasets.base import JUNK
from relaytrack.reid.errors import DatasetError

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class RankingScores:
    """Fractions (0..1) over the queries that have a match in the gallery.

    Attributes:
        rank1: queries whose nearest gallery image is a match.
        rank5: a match among the nearest five.
        rank10: a match among the nearest ten.
        mean_ap: mean over queries of the average precision.
        mean_inp: mean of (matches / rank of the last match) (Ye et al., TPAMI 2021).
        queries: how many queries were counted.
    """

    rank1: float
    rank5: float
    rank10: float
    mean_ap: float
    mean_inp: float
    queries: int

    @classmethod
    def of(cls, first: Ids, mean_ap: float, mean_inp: float, queries: int) -> Self:
        """From the rank of each query's first match, (Q,), from 1."""
        rank1, rank5, rank10 = (float(np.mean(first <= k)) for k in (1, 5, 10))
        return cls(rank1, rank5, rank10, mean_ap, mean_inp, queries)

    def to_dict(self) -> dict[str, float | int]:
        """For JSON."""
        return asdict(self)


def normalise(embeddings: Floats) -> Floats:
    """Rows (N, D) of unit length."""
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return np.asarray(embeddings / np.maximum(lengths, 1e-12), np.float32)


def rank(
    query: Floats,
    query_ids: Ids,
    query_cameras: Ids,
    gallery: Floats,
    gallery_ids: Ids,
    gallery_cameras: Ids,
    *,
    same_camera_out: bool = True,
    chunk: int = 256,
) -> RankingScores:
    """Rank the gallery for each query by cosine similarity.

    Args:
        query: (Q, D) embeddings, of any length.
        query_ids: (Q,).
        query_cameras: (Q,).
        gallery: (G, D).
        gallery_ids: (G,); `JUNK` is left out.
        gallery_cameras: (G,).
        same_camera_out: leave images of the query's identity under the query's camera out of its ranking.
        chunk: queries at a time; memory is chunk x G floats.

    Raises:
        DatasetError: no query has a match.
    """
    query, gallery = normalise(query), normalise(gallery[gallery_ids != JUNK])
    gallery_cameras, gallery_ids = gallery_cameras[gallery_ids != JUNK], gallery_ids[gallery_ids != JUNK]

    def distances(rows: slice) -> Floats:
        return -(query[rows] @ gallery.T)

    return _rank_rows(distances, query_ids, query_cameras, gallery_ids, gallery_cameras, same_camera_out, chunk)


def rank_distances(
    distances: Floats,
    query_ids: Ids,
    query_cameras: Ids,
    gallery_ids: Ids,
    gallery_cameras: Ids,
    *,
    same_camera_out: bool = True,
) -> RankingScores:
    """`rank` on distances (Q, G) that are already there (re-ranked ones, say).

    Raises:
        DatasetError: no query has a match.
    """
    keep = gallery_ids != JUNK

    def rows_of(rows: slice) -> Floats:
        return distances[rows][:, keep]

    return _rank_rows(rows_of, query_ids, query_cameras, gallery_ids[keep], gallery_cameras[keep], same_camera_out, 256)


def _rank_rows(
    distances: Callable[[slice], Floats],
    query_ids: Ids,
    query_cameras: Ids,
    gallery_ids: Ids,
    gallery_cameras: Ids,
    same_camera_out: bool,
    chunk: int,
) -> RankingScores:
    first: list[int] = []
    precision: list[float] = []
    penalty: list[float] = []
    for start in range(0, len(query_ids), chunk):
        rows = slice(start, start + chunk)
        same = query_ids[rows, None] == gallery_ids[None]
        near = same & (query_cameras[rows, None] == gallery_cameras[None])
        match = same & ~near if same_camera_out else same
        block = distances(rows)
        # other images of the query's identity are no negatives: pushed behind everything
        negatives = np.sort(np.where(same, np.float32(np.inf), block), axis=1)
        for row in range(len(block)):
            hits = np.sort(block[row, match[row]])
            if len(hits) == 0:
                continue
            order = np.arange(1, len(hits) + 1)
            ranks = order + np.searchsorted(negatives[row], hits, side="right")
            first.append(int(ranks[0]))
            precision.append(float(np.mean(order / ranks)))
            penalty.append(len(hits) / float(ranks[-1]))
    if not first:
        seen = "is there under another camera" if same_camera_out else "is there"
        raise DatasetError(f"no query has a match in the gallery: nobody of the queries {seen}")
    return RankingScores.of(np.array(first), float(np.mean(precision)), float(np.mean(penalty)), len(first))
