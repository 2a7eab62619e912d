"""The losses: label-smoothed cross-entropy, batch-hard triplet, circle and centre.

The metric losses see the whole global batch (`relaytrack.reid.training.distributed.gather` joins it over processes).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def smoothed_cross_entropy(logits: Tensor, targets: Tensor, smoothing: float = 0.1) -> Tensor:
    """Cross-entropy of logits (B, C) with targets (B,), `smoothing` of each target spread over all classes."""
    return F.cross_entropy(logits.float(), targets, label_smoothing=smoothing)


def parts_cross_entropy(logits: Tensor, targets: Tensor, smoothing: float = 0.1) -> Tensor:
    """The sum over parts of the cross-entropy of logits (B, parts, C), or that of logits (B, C), with targets (B,)."""
    parts = logits if logits.ndim == 3 else logits[:, None]
    return torch.stack([smoothed_cross_entropy(part, targets, smoothing) for part in parts.unbind(1)]).sum()


def pairwise_distances(features: Tensor) -> Tensor:
    """Euclidean distances (B, B) of features (B, D), with a gradient that stays finite at zero distance."""
    squares = features.square().sum(1)
    squared = squares[:, None] + squares[None] - 2 * features @ features.T
    return squared.clamp_min(1e-12).sqrt()


def batch_hard_triplet(features: Tensor, ids: Tensor, margin: float | None = 0.3) -> Tensor:
    """Batch-hard triplet loss (Hermans et al., 2017).

    Args:
        features: (B, D).
        ids: (B,); an anchor needs another image of its own identity and one of another identity.
        margin: the hinge's margin; None is the soft form log(1 + exp(positive - negative)).
    """
    features = features.float()
    distances = pairwise_distances(features)
    same = ids[:, None] == ids[None]
    farthest = distances.masked_fill(~same, float("-inf")).amax(1)
    nearest = distances.masked_fill(same, float("inf")).amin(1)
    gap = farthest - nearest
    return F.softplus(gap).mean() if margin is None else F.relu(gap + margin).mean()


def circle(features: Tensor, ids: Tensor, margin: float = 0.25, scale: float = 64.0) -> Tensor:
    """Circle loss on pairs (Sun et al., CVPR 2020, equation 6) of cosine similarities.

    Args:
        features: (B, D), normalised here.
        ids: (B,).
        margin: m, the relaxation.
        scale: gamma.
    """
    unit = F.normalize(features.float())
    similarity = unit @ unit.T
    same = ids[:, None] == ids[None]
    other = torch.eye(len(ids), dtype=torch.bool, device=ids.device).logical_not()
    positive, negative = same & other, ~same
    weight_p = (1 + margin - similarity.detach()).clamp_min(0)
    weight_n = (similarity.detach() + margin).clamp_min(0)
    logit_p = -scale * weight_p * (similarity - (1 - margin))
    logit_n = scale * weight_n * (similarity - margin)
    lowest = float("-inf")
    pull = torch.logsumexp(logit_p.masked_fill(~positive, lowest), 1)
    push = torch.logsumexp(logit_n.masked_fill(~negative, lowest), 1)
    return F.softplus(pull + push).mean()


class CentreLoss(nn.Module):
    """Centre loss (Wen et al., ECCV 2016): half the mean squared distance to a learned centre of the identity."""

    def __init__(self, classes: int, dim: int) -> None:
        super().__init__()
        self.centres = nn.Parameter(torch.randn(classes, dim))

    def forward(self, features: Tensor, targets: Tensor) -> Tensor:
        """Of features (B, D) with targets (B,)."""
        return (features.float() - self.centres[targets]).square().sum(1).mean() / 2
