"""Normalisation that removes a camera's style: half instance norm, half batch norm."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class InstanceBatchNorm(nn.Module):
    """The first half of the channels by instance norm (affine), the rest by batch norm.

    Pan, Luo, Shi, Tang: *Two at Once: Enhancing Learning and Generalization Capacities via IBN-Net*,
    ECCV 2018, form "a". Parameter names as in the published code.
    """

    BN: nn.Module

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.split = channels // 2
        self.IN = nn.InstanceNorm2d(self.split, affine=True)
        self.BN = nn.BatchNorm2d(channels - self.split)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        first, rest = torch.split(x, [self.split, x.shape[1] - self.split], dim=1)
        return torch.cat((self.IN(first), self.BN(rest)), dim=1)
