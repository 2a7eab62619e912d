"""The running average of the weights: what is evaluated and shipped."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


def averaged(model: nn.Module, decay: float, *, slow_start: bool = True) -> AveragedModel:
    """An exponential moving average of a network's parameters and batch-norm statistics.

    Args:
        model: the network in training; a copy of it is kept, in eval mode.
        decay: part of the average that each step keeps.
        slow_start: the start counts as well, and the first steps keep less, (1 + t) / (10 + t). Otherwise the first
            step is taken over as it is.
    """

    @torch.no_grad()
    def move(mine: Sequence[Tensor], theirs: Sequence[Tensor], steps: Tensor | int) -> None:
        keep = min(decay, (1 + int(steps)) / (10 + int(steps))) if slow_start else decay
        if mine[0].is_floating_point():
            torch._foreach_lerp_(list(mine), list(theirs), 1 - keep)
        else:
            torch._foreach_copy_(list(mine), list(theirs))

    average = AveragedModel(model, multi_avg_fn=move, use_buffers=True)
    average.module.eval().requires_grad_(False)
    if slow_start:
        steps_of(average, 0)
    return average


def steps_of(average: AveragedModel, steps: int) -> None:
    """Say how many steps an average with a slow start has seen."""
    average.n_averaged.fill_(steps + 1)
