"""The loss of a student against its teachers, and against the ids where they are known."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from relaytrack.reid.guided.recipe import Recipe
from relaytrack.reid.training.distillation import cosine_regression, relational_divergence
from relaytrack.reid.training.losses import batch_hard_triplet


def guided_loss(
    feature: Tensor,
    logits: Tensor,
    told: Sequence[Tensor],
    labels: Tensor,
    whole: Tensor,
    labelled: int,
    recipe: Recipe,
) -> tuple[Tensor, dict[str, float]]:
    """The weighted sum of all terms.

    Args:
        feature: (B, D) the student's, one part per teacher.
        logits: (B, C) of the classifier.
        told: per teacher (B, E) embeddings of length 1.
        labels: (B,) classes, -1 where nobody knows them.
        whole: (B,) False for pictures put together from two people.
        labelled: so many at the front have a person and others of the same.
        recipe: the weights.

    Returns:
        The loss, and its plain parts for the log.
    """
    cosine = cosine_regression(feature.chunk(len(told), dim=1), told)
    relational = relational_divergence(feature, torch.cat(list(told), dim=1))
    loss = recipe.regression * cosine + recipe.relation * relational
    values = {"cosine": cosine.item(), "relational": relational.item()}
    if labelled:
        sure = (labels >= 0) & whole
        each = F.cross_entropy(logits, labels.clamp_min(0), label_smoothing=0.1, reduction="none")
        entropy = (each * sure).sum() / sure.sum().clamp_min(1)
        # a picture put together from two people shows a new person
        new = logits.shape[1] + torch.arange(labelled, device=labels.device)
        names = torch.where(whole[:labelled], labels[:labelled], new)
        triplet = batch_hard_triplet(F.normalize(feature[:labelled]), names, 0.3)
        loss = loss + recipe.cross_entropy * entropy + recipe.triplet * triplet
        values |= {"cross_entropy": entropy.item(), "triplet": triplet.item()}
    return loss, values | {"loss": loss.item()}
