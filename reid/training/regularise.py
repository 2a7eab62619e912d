"""MixStyle: other cameras' look for a batch, in feature space."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class MixStyle(nn.Module):
    """MixStyle (Zhou et al., ICLR 2021): mix the channel means and deviations of pairs of images in training.

    Without parameters, and nothing at all in eval mode: used as a forward hook of early stages (`attach`).

    Args:
        probability: of mixing a batch.
        alpha: of the Beta distribution of the mixing weights.
    """

    def __init__(self, probability: float = 0.5, alpha: float = 0.1) -> None:
        super().__init__()
        self.probability = probability
        self.alpha = alpha

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        if not self.training or torch.rand(()) >= self.probability:
            return x
        mean = x.mean((2, 3), keepdim=True).detach()
        deviation = (x.var((2, 3), keepdim=True) + 1e-6).sqrt().detach()
        weight = torch.distributions.Beta(self.alpha, self.alpha).sample((len(x), 1, 1, 1)).to(x)
        other = torch.randperm(len(x))
        new_mean = weight * mean + (1 - weight) * mean[other]
        new_deviation = weight * deviation + (1 - weight) * deviation[other]
        return (x - mean) * (new_deviation / deviation) + new_mean

    def attach(self, module: nn.Module) -> None:
        """Mix the output of `module` whenever it runs in training mode."""

        def hook(owner: nn.Module, _: object, output: Tensor) -> Tensor:
            self.train(owner.training)
            result: Tensor = self(output)
            return result

        module.register_forward_hook(hook)
