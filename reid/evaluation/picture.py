"""A picture of queries and their best matches."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from relaytrack.reid.datasets.images import read_image
from relaytrack.reid.evaluation.ranking import normalise

_HEIGHT, _WIDTH, _FRAME, _GAP = 128, 64, 4, 6
_GREEN, _RED, _GREY, _BLUE = (40, 170, 80), (210, 50, 50), (150, 150, 150), (50, 90, 200)
_NAME = re.compile(r"^([^_]+)_c?([^_s.]+)")


def identity_and_camera(path: Path) -> tuple[str, str] | None:
    """(identity, camera) of a name like `id_camera_*` or Market-1501's; None where the name has neither."""
    match = _NAME.match(path.name)
    return (match[1], match[2]) if match else None


def rank_picture(
    queries: Sequence[Path],
    query_embeddings: NDArray[np.float32],
    gallery: Sequence[Path],
    gallery_embeddings: NDArray[np.float32],
    *,
    top: int = 10,
) -> NDArray[np.uint8]:
    """One row per query: itself (blue frame), then its best matches with their cosine similarity.

    Frames are green for the same identity and red for another where names tell, grey otherwise. Where names
    tell, the query itself and images of its identity under its camera are left out.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        DatasetError: an image cannot be decoded.
    """
    similarity = normalise(query_embeddings) @ normalise(gallery_embeddings).T
    known = [identity_and_camera(path) for path in gallery]
    rows = []
    for query, scores in zip(queries, similarity, strict=True):
        mine = identity_and_camera(query)
        tiles = [_tile(read_image(query), _BLUE, "query")]
        for index in np.argsort(-scores, kind="stable"):
            if len(tiles) > top:
                break
            theirs = known[index]
            if gallery[index].resolve() == query.resolve() or (mine is not None and theirs == mine):
                continue
            told = mine is not None and theirs is not None
            colour = (_GREEN if theirs and mine and theirs[0] == mine[0] else _RED) if told else _GREY
            tiles.append(_tile(read_image(gallery[index]), colour, f"{scores[index]:.2f}"))
        blank = np.full_like(tiles[0], 255)
        rows.append(np.concatenate(tiles + [blank] * (top + 1 - len(tiles)), axis=1))
    return np.concatenate(rows, axis=0)


def _tile(image: NDArray[np.uint8], colour: tuple[int, int, int], text: str) -> NDArray[np.uint8]:
    tile = np.full((_HEIGHT + 2 * _FRAME + 16 + _GAP, _WIDTH + 2 * _FRAME + _GAP, 3), 255, np.uint8)
    tile[: _HEIGHT + 2 * _FRAME, : _WIDTH + 2 * _FRAME] = colour
    tile[_FRAME : _FRAME + _HEIGHT, _FRAME : _FRAME + _WIDTH] = cv2.resize(image, (_WIDTH, _HEIGHT))
    place = (_FRAME, _HEIGHT + 2 * _FRAME + 12)
    cv2.putText(tile, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, (40, 40, 40), 1, cv2.LINE_AA)
    return tile
