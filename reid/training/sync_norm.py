"""Batch norm over the global batch on CPUs, where torch's SyncBatchNorm does not work."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


class _Sum(torch.autograd.Function):
    """Sum over processes; the gradient is summed as well, since every process's loss depends on the sum."""

    @staticmethod
    def forward(ctx: Any, mine: Tensor) -> Tensor:
        total = mine.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        grad = grads[0].clone()
        dist.all_reduce(grad)
        return grad


class _GlobalNorm:
    """Stand-in for a batch norm's forward that can be copied and pickled with it."""

    def __init__(self, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
        self.norm = norm

    def __call__(self, x: Tensor) -> Tensor:
        norm = self.norm
        if not norm.training or not dist.is_initialized():
            return type(norm).forward(norm, x)
        dims = [0, *range(2, x.ndim)]
        shape = (1, -1) + (1,) * (x.ndim - 2)
        wide = x.float()
        count = x.numel() // x.shape[1] * dist.get_world_size()  # the sampler gives every process as much
        mean = _sum(wide.sum(dims)) / count
        centred = wide - mean.view(shape)
        variance = _sum(centred.square().sum(dims)) / count
        y = centred * torch.rsqrt(variance + norm.eps).view(shape)
        if norm.affine:
            y = y * norm.weight.view(shape) + norm.bias.view(shape)
        self._remember(mean.detach(), variance.detach() * count / (count - 1))
        return y.to(x.dtype)

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        norm = self.norm
        if norm.running_mean is None or norm.running_var is None or norm.num_batches_tracked is None:
            return
        norm.num_batches_tracked += 1
        part = norm.momentum if norm.momentum is not None else 1 / float(norm.num_batches_tracked)
        norm.running_mean.lerp_(mean, part)
        norm.running_var.lerp_(variance, part)


def _sum(mine: Tensor) -> Tensor:
    total: Tensor = _Sum.apply(mine)
    return total


def synchronise_norms(model: nn.Module) -> int:
    """Make every batch norm in training mode use the statistics of all processes' images.

    Returns:
        How many batch norms were changed.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
    for norm in norms:
        norm.forward = _GlobalNorm(norm)  # type: ignore[method-assign, assignment]
    return len(norms)
