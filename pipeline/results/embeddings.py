"""`embeddings.npz` of a run: one mean embedding per track; the only reader and writer of it.

It holds, row by row: `camera`, `track` and `embedding`, the mean of a track's embeddings weighted by how well its boxes
show it, L2-normalised; and `network`, the mark of the network that made them (`pipeline.identity.network_mark`), in
bytes.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from relaytrack.pipeline.errors import InputError
from relaytrack.pipeline.identity.network_mark import as_array, mark_in
from relaytrack.pipeline.records import Floats
from relaytrack.pipeline.results.folder import write_bytes
from relaytrack.pipeline.results.npz import NotArraysError, read_arrays

EMBEDDINGS = "embeddings.npz"


def read_embeddings(path: Path) -> tuple[list[tuple[str, int]], Floats]:
    """The (camera, track) of every row, and the vectors (N, D), L2-normalised; see `read_marked_embeddings`."""
    return read_marked_embeddings(path)[:2]


def read_marked_embeddings(path: Path) -> tuple[list[tuple[str, int]], Floats, bytes | None]:
    """The (camera, track) of every row, the vectors (N, D), L2-normalised, and the mark of the network that made them.

    The mark is None where it is not known.

    Raises:
        InputError: the file is missing, damaged or not of this kind.
    """
    try:
        arrays = read_arrays(path)
        keys = list(zip(arrays["camera"].tolist(), arrays["track"].tolist(), strict=True))
        known = [(str(camera), int(track)) for camera, track in keys]
        vectors = np.asarray(arrays["embedding"], np.float32)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except NotArraysError as error:
        raise InputError(f"{path}: {error}") from None
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{path}: not a file of a run's embeddings") from None
    if vectors.ndim != 2 or len(vectors) != len(known):
        raise InputError(f"{path}: not a file of a run's embeddings")
    return known, vectors, mark_in(arrays.get("network"))


def embeddings_in(folder: Path) -> dict[tuple[str, int], Floats]:
    """The embedding (D,) of each (camera, track) of a run; none where the run has no file of them.

    Raises:
        InputError: the file is damaged or not of this kind.
    """
    path = folder / EMBEDDINGS
    return dict(zip(*read_embeddings(path), strict=True)) if path.exists() else {}


def write_embeddings(
    path: Path, tracks: Sequence[tuple[str, int]], vectors: Floats, network: bytes | None = None
) -> None:
    """Write one mean embedding per track, in one step.

    Args:
        path: the run's `embeddings.npz`.
        tracks: N (camera, track id).
        vectors: (N, D), L2-normalised.
        network: the mark of the network that made them.

    Raises:
        OutputError: the file cannot be written.
    """
    data = io.BytesIO()
    mark: dict[str, Any] = {} if network is None else {"network": as_array(network)}
    np.savez(
        data,
        camera=np.array([camera for camera, _ in tracks], str),
        track=np.array([track for _, track in tracks], np.int64),
        embedding=vectors.astype(np.float32),
        **mark,
    )
    write_bytes(path, data.getvalue())
