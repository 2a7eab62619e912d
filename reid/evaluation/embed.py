"""Embeddings of image files, and the scores of a network on a data set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from relaytrack.reid.datasets.base import Split, split_queries
from relaytrack.reid.datasets.images import read_resized
from relaytrack.reid.evaluation.ranking import RankingScores, rank
from relaytrack.reid.network_input import to_network
from relaytrack.reid.precision import autocast, usable_precision

Embed = Callable[[Sequence[Path]], NDArray[np.float32]]


@torch.inference_mode()
def embed_files(
    model: nn.Module,
    paths: Sequence[Path],
    size: tuple[int, int],
    *,
    batch: int = 64,
    device: torch.device | str = "cpu",
    precision: str = "fp32",
    progress: Callable[[int], None] | None = None,
) -> NDArray[np.float32]:
    """Embed image files with a network in eval mode.

    Args:
        model: from normalised images to embeddings.
        paths: N files.
        size: (height, width) of the network's input.
        batch: images at a time.
        device: where the network is.
        precision: "fp32", "bf16" (fp32 on CPUs without it) or "fp16" (autocast).
        progress: called with the number of images done so far.

    Returns:
        (N, D) unit vectors.

    Raises:
        DatasetError: a file cannot be decoded; it is named.
    """
    model.eval()
    device = torch.device(device)
    parts: list[Tensor] = []
    precision = usable_precision(precision, device)
    for start in range(0, len(paths), batch):
        x = to_network(read_resized(paths[start : start + batch], *size), device)
        with autocast(precision, device):
            y = model(x).float()
        parts.append(nn.functional.normalize(y).cpu())
        if progress is not None:
            progress(min(len(paths), start + batch))
    return torch.cat(parts).numpy()


def evaluate_split(split: Split, embeddings: NDArray[np.float32]) -> RankingScores:
    """Scores within one split (the validation identities): `split_queries` against all other images."""
    q = split_queries(split)
    return rank(embeddings[q], split.ids[q], split.cameras[q], embeddings[~q], split.ids[~q], split.cameras[~q])
