"""Losses of a student that learns from teachers' embeddings."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def cosine_regression(student: Sequence[Tensor], teachers: Sequence[Tensor]) -> Tensor:
    """The mean of 1 - cosine between each part of the student's embedding and its teacher's.

    Args:
        student: per teacher (B, D).
        teachers: per teacher (B, D).
    """
    misses = [
        1 - F.cosine_similarity(ours.float(), theirs.float()) for ours, theirs in zip(student, teachers, strict=True)
    ]
    return torch.stack(misses).mean()


def relational_divergence(student: Tensor, teacher: Tensor, temperature: float = 0.07) -> Tensor:
    """Kullback-Leibler divergence between the rows of both networks' similarities in the batch.

    Each row says, as a distribution, who is how alike to one picture; the picture itself is left out. The widths of the
    two embeddings may differ. After relational knowledge distillation (Park et al., CVPR 2019).

    Args:
        student: (B, D).
        teacher: (B, E).
        temperature: cosines are divided by it.
    """

    def rows(embeddings: Tensor) -> Tensor:
        unit = F.normalize(embeddings.float())
        similarity = unit @ unit.T / temperature
        itself = torch.eye(len(unit), dtype=torch.bool, device=unit.device)
        return F.log_softmax(similarity.masked_fill(itself, -1e4), dim=1)

    return F.kl_div(rows(student), rows(teacher), log_target=True, reduction="batchmean")
