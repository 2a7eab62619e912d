"""The loss of a training with identities, and with teachers where a configuration names some."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from relaytrack.reid.errors import TrainingError
from relaytrack.reid.heads import HeadOutput
from relaytrack.reid.training import distributed, losses
from relaytrack.reid.training.config import LossConfig, TrainConfig
from relaytrack.reid.training.teaching import Distillation, Teacher


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


class Objective(nn.Module):
    """What a configuration asks for: identities, teachers, or both.

    Args:
        config: the whole run.
        classes: identities.
        dim: length of the embedding.
        world: processes; teachers go with one only.

    Raises:
        TrainingError: teachers and several processes.
        WeightsError: a teacher is missing or of no use.
    """

    def __init__(self, config: TrainConfig, classes: int, dim: int, world: int) -> None:
        super().__init__()
        self.identity = IdentityLoss(config.loss, classes, dim)
        self.teacher: Teacher | None = None
        self.distillation: Distillation | None = None
        if config.distil.teachers:
            if world > 1:
                raise TrainingError("distil.teachers: distillation runs in one process only")
            self.teacher = Teacher(config.distil.teachers, config.run.device)
            settings = config.distil.model_dump(exclude={"teachers"})
            self.distillation = Distillation(dim, self.teacher.dims, **settings)

    def rates(self, config: TrainConfig) -> list[tuple[float, list[nn.Parameter]]]:
        """The losses' own tensors with their learning rates."""
        maps = [] if self.distillation is None else list(self.distillation.parameters())
        return [(config.loss.centre_lr, list(self.identity.parameters())), (config.optim.lr, maps)]

    def forward(self, output: HeadOutput, labels: Tensor, images: NDArray[np.uint8]) -> tuple[Tensor, dict[str, float]]:
        """The loss of a network's output on images (B, H, W, 3) uint8 RGB of some classes (B,), and its plain parts."""
        feature, logits, embedding = output
        loss, values = self.identity(feature, logits, labels)
        if self.teacher is not None and self.distillation is not None:
            targets = [target.to(labels.device) for target in self.teacher(images)]
            more, told = self.distillation(embedding, targets)
            loss = loss + more
            values |= told | {"loss": float(loss.detach())}
        return loss, values
