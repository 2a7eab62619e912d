"""Batch norms folded into the convolutions before them: a step of deployment, exact up to rounding."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from relaytrack.reid.backbones.normalization import InstanceBatchNorm


def scale_and_shift(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """The (scale, shift), each (C,), that a batch norm in eval mode applies: y = x * scale + shift."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return scale.detach(), (norm.bias - norm.running_mean * scale).detach()


def fold_batch_norms(module: nn.Module) -> None:
    """Fold, in place and recursively, every batch norm into the convolution defined right before it.

    Modules here define their layers in the order in which they run them, so the child right before a batch
    norm is its convolution. A half instance, half batch norm keeps its instance part; its batch part folds
    into the convolution's second half.
    """
    previous: nn.Module | None = None
    for name, child in list(module.named_children()):
        if isinstance(previous, nn.Conv2d) and isinstance(child, nn.BatchNorm2d):
            _fold(previous, child, 0)
            setattr(module, name, nn.Identity())
        elif isinstance(previous, nn.Conv2d) and isinstance(child, InstanceBatchNorm):
            assert isinstance(child.BN, nn.BatchNorm2d)
            _fold(previous, child.BN, child.split)
            child.BN = nn.Identity()
        else:
            fold_batch_norms(child)
        previous = child


def _fold(conv: nn.Conv2d, norm: nn.BatchNorm2d, start: int) -> None:
    """Fold a batch norm over the output channels from `start` on into their convolution."""
    scale, shift = scale_and_shift(norm)
    weight = conv.weight.detach().clone()
    bias = weight.new_zeros(len(weight)) if conv.bias is None else conv.bias.detach().clone()
    weight[start:] *= scale[:, None, None, None]
    bias[start:] = bias[start:] * scale + shift
    conv.weight = nn.Parameter(weight, requires_grad=False)
    conv.bias = nn.Parameter(bias, requires_grad=False)
