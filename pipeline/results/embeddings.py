"""`embeddings.npz` of a run: one mean embedding per track."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from relaytrack.pipeline.errors import InputError
from relaytrack.pipeline.records import Floats
from relaytrack.pipeline.results.npz import NotArraysError, read_arrays


def read_embeddings(path: Path) -> tuple[list[tuple[str, int]], Floats]:
    """The (camera, track) of every row, and the vectors (N, D), L2-normalised.

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
    return known, vectors
