"""The loss of a training with identities, and with teachers where a configuration names some."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from relaytrack.reid.training import distributed, losses
from relaytrack.reid.training.config import LossConfig


class IdentityLoss(nn.Module):
    """The weighted sum of the losses that need identities.

    Args:
        config: weights and constants.
        classes: identities.
        dim: length of the feature.
    """

    def __init__(self, config: LossConfig, classes: int, dim: int) -> None:
        super().__init__()
        self._config = config
        self.centre = losses.CentreLoss(classes, dim) if config.centre else None

    def forward(self, feature: Tensor, logits: Tensor, labels: Tensor) -> tuple[Tensor, dict[str, float]]:
        """The loss of features (B, D), logits (B, C) or (B, P, C) and classes (B,).

        Returns:
            The weighted sum over all processes' pictures; and the plain parts, "loss" and "accuracy" for the log.
        """
        weights = self._config
        values: dict[str, float] = {}
        loss = feature.new_zeros((), dtype=torch.float32)
        if weights.cross_entropy:
            part = losses.parts_cross_entropy(logits, labels, weights.smoothing)
            loss = loss + weights.cross_entropy * part
            values["cross_entropy"] = float(part.detach())
            whole = logits.mean(1) if logits.ndim == 3 else logits
            values["accuracy"] = float((whole.argmax(1) == labels).float().mean())
        features, ids = distributed.gather(feature.float()), distributed.gather_labels(labels)
        if weights.triplet:
            part = losses.batch_hard_triplet(features, ids, weights.margin)
            loss = loss + weights.triplet * part
            values["triplet"] = float(part.detach())
        if weights.circle:
            part = losses.circle(features, ids)
            loss = loss + weights.circle * part
            values["circle"] = float(part.detach())
        if self.centre is not None:
            part = self.centre(feature, labels)
            loss = loss + weights.centre * part
            values["centre"] = float(part.detach())
        values["loss"] = float(loss.detach())
        return loss, values
