"""k-reciprocal re-ranking (Zhong et al., CVPR 2017)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from relaytrack.reid.evaluation.ranking import normalise

Floats = NDArray[np.float32]


def rerank(query: Floats, gallery: Floats, *, k1: int = 20, k2: int = 6, weight: float = 0.3) -> Floats:
    """Distances that also count how much two images' neighbourhoods overlap.

    Each image is described by its k-reciprocal neighbours, weighted by exp(-distance); the Jaccard distance of
    two descriptions is mixed with the original one. Descriptions are sparse, so memory is Q x G for the result
    plus (Q + G) x k1 for the neighbours; the full (Q + G) squared matrix is only ever seen in chunks.

    Args:
        query: (Q, D) embeddings.
        gallery: (G, D) embeddings, junk already left out.
        k1: size of the neighbourhood.
        k2: neighbours over which descriptions are averaged.
        weight: lambda, the original distance's part.

    Returns:
        (Q, G) distances.
    """
    unit = normalise(np.concatenate((query, gallery)))
    total = len(unit)
    k1, k2 = min(k1, total - 1), min(k2, total)
    nearest, largest = _neighbours(unit, k1 + 1)
    description = _descriptions(unit, nearest, largest, k1)
    if k2 > 1:
        rows = np.repeat(np.arange(total), k2)
        mean = sparse.csr_matrix(
            (np.full(total * k2, 1 / k2, np.float32), (rows, nearest[:, :k2].ravel())), (total, total)
        )
        description = (mean @ description).tocsr()
    result = np.empty((len(query), len(gallery)), np.float32)
    by_member = description[len(query) :].T.tocsr()  # member -> the gallery images that it describes
    for row in range(len(query)):
        overlap = np.zeros(len(gallery), np.float32)
        start, end = description.indptr[row], description.indptr[row + 1]
        for member, mine in zip(description.indices[start:end], description.data[start:end], strict=True):
            a, b = by_member.indptr[member], by_member.indptr[member + 1]
            overlap[by_member.indices[a:b]] += np.minimum(mine, by_member.data[a:b])
        jaccard = 1 - overlap / (2 - overlap)
        original = (2 - 2 * unit[row] @ unit[len(query) :].T) / largest[row]
        result[row] = (1 - weight) * jaccard + weight * original
    return result


def _neighbours(unit: Floats, count: int, chunk: int = 512) -> tuple[NDArray[np.int64], Floats]:
    """Nearest images of each (itself first), and each image's largest squared distance."""
    total = len(unit)
    nearest = np.empty((total, count), np.int64)
    largest = np.empty(total, np.float32)
    for start in range(0, total, chunk):
        block = 2 - 2 * unit[start : start + chunk] @ unit.T
        rows = np.arange(len(block))
        block[rows, start + rows] = -1.0  # itself first, whatever the rounding
        largest[start : start + chunk] = block.max(1)
        part = np.argpartition(block, count - 1, axis=1)[:, :count]
        values = np.take_along_axis(block, part, 1)
        order = np.argsort(values, axis=1, kind="stable")
        nearest[start : start + chunk] = np.take_along_axis(part, order, 1)
    return nearest, np.maximum(largest, 1e-12)


def _descriptions(unit: Floats, nearest: NDArray[np.int64], largest: Floats, k1: int) -> sparse.csr_matrix:
    """(N, N) sparse rows: weights of each image's expanded k-reciprocal neighbours, summing to 1."""
    half = round(k1 / 2)

    def reciprocal(image: int, k: int) -> NDArray[np.int64]:
        forward = nearest[image, : k + 1]
        mutual: NDArray[np.int64] = forward[(nearest[forward, : k + 1] == image).any(1)]
        return mutual

    members: list[NDArray[np.int64]] = []
    weights: list[Floats] = []
    for image in range(len(unit)):
        own = reciprocal(image, k1)
        grown = [own]
        for candidate in own:
            theirs = reciprocal(int(candidate), half)
            if np.isin(theirs, own, assume_unique=True).sum() > 2 / 3 * len(theirs):
                grown.append(theirs)
        whole = np.unique(np.concatenate(grown))
        distance = np.maximum(2 - 2 * unit[whole] @ unit[image], 0) / largest[image]
        value = np.exp(-distance)
        members.append(whole)
        weights.append((value / value.sum()).astype(np.float32))
    pointers = np.concatenate(([0], np.cumsum([len(row) for row in members])))
    return sparse.csr_matrix((np.concatenate(weights), np.concatenate(members), pointers), (len(unit), len(unit)))
