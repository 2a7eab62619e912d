"""Parameter-free spatial attention.

Wang, Fan, Wang: *Parameter-Free Spatial Attention Network for Person Re-Identification*, 2018
(arXiv:1811.12150). A position matters as much as its activations sum to. Two forms are published: the paper's
text takes a softmax over positions of the sum over channels; the authors' code divides the mean over channels
by its sum over positions.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn


class ParameterFreeSpatialAttention(nn.Module):
    """Weight every position of a map by its share of the activation.

    Args:
        form: "code" (released code: channel mean over its spatial sum; meant for activations >= 0, as after a
            ReLU: negative ones, which stages with linear outputs have, count as 0) or "paper" (softmax over
            positions of the channel sum).
        rescale: multiply the attention by the number of positions, so that its mean is 1 and the layer can
            stand between the stages of a pre-trained network without shrinking the signal.
    """

    def __init__(self, form: Literal["code", "paper"] = "code", *, rescale: bool = False) -> None:
        super().__init__()
        if form not in ("code", "paper"):
            raise ValueError(f"unknown form {form!r} of parameter-free attention: 'code' or 'paper'")
        self.form = form
        self.rescale = rescale

    def attention(self, x: Tensor) -> Tensor:
        """Attention (B, 1, H, W), summing to 1 over the positions of x (B, C, H, W)."""
        if self.form == "paper":
            total = x.sum(dim=1, keepdim=True)
            return total.flatten(2).softmax(dim=2).view_as(total)
        mean = x.relu().mean(dim=1, keepdim=True)
        total = mean.sum(dim=(2, 3), keepdim=True)
        return mean / total.clamp_min(1e-12)

    def forward(self, x: Tensor) -> Tensor:
        """Weight a map (B, C, H, W); same shape."""
        weight = self.attention(x)
        if self.rescale:
            weight = weight * (x.shape[2] * x.shape[3])
        return x * weight
