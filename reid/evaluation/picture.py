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

_HEIGHT, _WIDTH, _FRAME, _GAP = 128, 64, 4, 14
_LINE, _LETTERS = 14, 13  # pixels of a line of text; letters that fit below an image
_GREEN, _RED, _GREY, _BLUE = (40, 170, 80), (210, 50, 50), (150, 150, 150), (50, 90, 200)
_NAME = re.compile(r"^([^_]+)_(?:c(\d+)(?:s\d+)?(?=[_.])|([^_.]+))")


def identity_and_camera(path: Path) -> tuple[str, str] | None:
    """(identity, camera) of a name like `id_camera_*` or Market-1501's; None where the name has neither."""
    match = _NAME.match(path.name)
    return (match[1], match[2] or match[3]) if match else None


def rank_picture(
    queries: Sequence[Path],
    query_embeddings: NDArray[np.float32],
    gallery: Sequence[Path],
    gallery_embeddings: NDArray[np.float32],
    *,
    top: int = 10,
) -> NDArray[np.uint8]:
    """One row per query: itself (blue frame), then its best matches, each with its identity and cosine similarity.

    Frames are green for the same identity and red for another where names tell, grey otherwise; a legend says so.
    Below an image stand its identity and camera, or, where its name tells neither, the name. Where names tell, the
    query itself and images of its identity under its camera are left out.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        DatasetError: an image cannot be decoded.
    """
    similarity = normalise(query_embeddings) @ normalise(gallery_embeddings).T
    known = [identity_and_camera(path) for path in gallery]
    found = []
    for query, scores in zip(queries, similarity, strict=True):
        mine = identity_and_camera(query)
        tiles = [_tile(read_image(query), _BLUE, _called(query), "query")]
        for index in np.argsort(-scores, kind="stable"):
            if len(tiles) > top:
                break
            theirs = known[index]
            if gallery[index].resolve() == query.resolve() or (mine is not None and theirs == mine):
                continue
            told = mine is not None and theirs is not None
            colour = (_GREEN if theirs and mine and theirs[0] == mine[0] else _RED) if told else _GREY
            tiles.append(_tile(read_image(gallery[index]), colour, _called(gallery[index]), f"{scores[index]:.2f}"))
        found.append(tiles)
    most = max(len(tiles) for tiles in found)
    blank = np.full_like(found[0][0], 255)
    rows = [np.concatenate(tiles + [blank] * (most - len(tiles)), axis=1) for tiles in found]
    legend = _legend(rows[0].shape[1])
    strips = [np.full_like(legend, 255)] * (len(rows) - 1) + [legend]  # rows of one height
    return np.concatenate([part for both in zip(rows, strips, strict=True) for part in both], axis=0)


def _called(path: Path) -> str:
    """Identity and camera of an image, or its name, as short as a tile is wide."""
    known = identity_and_camera(path)
    text = f"{known[0]} {'c' * known[1].isdecimal()}{known[1]}" if known else path.stem
    return text if len(text) <= _LETTERS else text[: _LETTERS - 2] + ".."


def _legend(width: int) -> NDArray[np.uint8]:
    """What the frames and numbers mean, in as many lines as it needs."""
    entries = [
        (_BLUE, "query"),
        (_GREEN, "same identity"),
        (_RED, "another identity"),
        (_GREY, "names do not tell"),
        (None, "number: cosine similarity"),
    ]
    places, x, line = [], _FRAME, 0
    for colour, text in entries:
        space = 18 + 7 * len(text)
        if x + space > width and x > _FRAME:
            x, line = _FRAME, line + 1
        places.append((x, line, colour, text))
        x += space + 10
    legend = np.full(((line + 1) * (_LINE + 4) + 6, width, 3), 255, np.uint8)
    for x, line, colour, text in places:
        top = 4 + line * (_LINE + 4)
        if colour is not None:
            cv2.rectangle(legend, (x, top), (x + 10, top + 10), colour, 3)
        _write(legend, text, (x + (16 if colour is not None else 0), top + 10))
    return legend


def _write(picture: NDArray[np.uint8], text: str, place: tuple[int, int]) -> None:
    cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.38, (40, 40, 40), 1, cv2.LINE_AA)


def _tile(image: NDArray[np.uint8], colour: tuple[int, int, int], name: str, text: str) -> NDArray[np.uint8]:
    tile = np.full((_HEIGHT + 2 * _FRAME + 2 * _LINE + 10, _WIDTH + 2 * _FRAME + _GAP, 3), 255, np.uint8)
    tile[: _HEIGHT + 2 * _FRAME, : _WIDTH + 2 * _FRAME] = colour
    tile[_FRAME : _FRAME + _HEIGHT, _FRAME : _FRAME + _WIDTH] = cv2.resize(image, (_WIDTH, _HEIGHT))
    for number, line in enumerate((name, text), 1):
        _write(tile, line, (0, _HEIGHT + 2 * _FRAME + number * _LINE))
    return tile
