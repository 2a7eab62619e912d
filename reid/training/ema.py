"""The running average of the weights: what is evaluated and shipped."""

from __future__ import annotations

import copy

import torch
from torch import nn


class WeightAverage:
    """Exponential moving average of a network's parameters and batch-norm statistics.

    Args:
        model: the network in training; a copy of it is kept.
        decay: part of the average that each step keeps; the first steps keep less, (1 + t) / (10 + t).
    """

    def __init__(self, model: nn.Module, decay: float = 0.999) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = decay
        self.steps = 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the average towards the network's present weights."""
        self.steps += 1
        keep = min(self.decay, (1 + self.steps) / (10 + self.steps))
        averages = self.model.state_dict()
        for name, theirs in model.state_dict().items():  # parts that are not in use now keep their average
            mine = averages[name]
            if mine.is_floating_point():
                mine.lerp_(theirs, 1 - keep)
            else:
                mine.copy_(theirs)
