"""Relation-aware global attention (RGA) without the affinity matrix.

Zhang, Lan, Zeng, Jin, Chen: *Relation-Aware Global Attention for Person Re-identification*, CVPR 2020.

Definition (spatial branch; N = H * W positions, x_i the C-vector at position i)
-----------------------------------------------------------------------------
Every position is embedded twice, theta_i = ReLU(BN(W_theta x_i)) and phi_i = ReLU(BN(W_phi x_i)), both of
K = C / cha_ratio numbers, and compared with every other one: G[i, j] = theta_i . phi_j (N x N, paper eq. 1).
Position p is then described by its relations in both directions, stacked in a fixed global order,
r_p = [G[p, :], G[:, p]] (2 N numbers, eq. 2), which a 1 x 1 convolution with weight W = [W_in, W_out]
(M x 2 N, M = N / spa_ratio), batch norm and ReLU embed; next to it stands the mean over channels of
ReLU(BN(W_g x_p)). Two more 1 x 1 convolutions and a sigmoid turn these 1 + M numbers into the attention of p.
The channel branch is the same with channels and positions swapped.

The factored form
-----------------
No non-linearity stands between G and the convolution W, so the order of the sums can be changed. With theta and phi
written as K x N matrices,

    (W r_p)_m = sum_k W_in[m, k] (theta_p . phi_k) + sum_k W_out[m, k] (theta_k . phi_p)
              = (W_in phi^T)[m, :] . theta_p + (W_out theta^T)[m, :] . phi_p

that is  W [G^T; G] = (W_in phi^T) theta + (W_out theta^T) phi.  The two products in brackets are M x K, so G
never exists: activation memory is linear in N, and N^2 C / 8 + N^3 / 4 multiplications become N^2 C / 16
(with the usual ratios of 8; N and C swapped in the channel branch). Only the order of a sum changes, so
values and gradients are those of the definition, in training as in inference; the tests compare both in
float64.

In training the embedded relations (M x N) and everything else behind the 1 x 1 convolutions of the embeddings are
by far the largest activations and among the cheapest to compute: they are not kept but computed twice.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from relaytrack.reid.attention.recompute import product_recomputed, recomputed
from relaytrack.reid.attention.shared_product import shared_product


def _embedding(inputs: int, outputs: int) -> nn.Sequential:
    """1 x 1 convolution, batch norm, ReLU; parameter names as in the published code."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def _gate(inputs: int, down_ratio: int) -> nn.Sequential:
    """Two 1 x 1 convolutions from the relation features to one attention logit."""
    hidden = max(1, inputs // down_ratio)
    return nn.Sequential(
        nn.Conv2d(inputs, hidden, 1, bias=False),
        nn.BatchNorm2d(hidden),
        nn.ReLU(inplace=True),
        nn.Conv2d(hidden, 1, 1, bias=False),
        nn.BatchNorm2d(1),
    )


class RelationAwareGlobalAttention(nn.Module):
    """RGA-S, RGA-C or (spatial first, then channel) RGA-SC in the factored form, see the module's text.

    The size of the map is part of the network, because relations are stacked in a fixed order.

    Args:
        channels: C of the input (B, C, H, W).
        height: H of the input, cells.
        width: W of the input, cells.
        spatial: use the spatial branch.
        channel: use the channel branch.
        cha_ratio: C / cha_ratio numbers embed a position (spatial) or a channel's relations (channel).
        spa_ratio: H W / spa_ratio numbers embed a channel (channel) or a position's relations (spatial).
        down_ratio: reduction inside the gate.
    """

    def __init__(
        self,
        channels: int,
        height: int,
        width: int,
        *,
        spatial: bool = True,
        channel: bool = True,
        cha_ratio: int = 8,
        spa_ratio: int = 8,
        down_ratio: int = 8,
    ) -> None:
        super().__init__()
        if not (spatial or channel):
            raise ValueError("relation-aware attention needs the spatial branch, the channel branch or both")
        positions = height * width
        self.size = (channels, height, width)
        self.spatial, self.channel = spatial, channel
        by_channel, by_position = max(1, channels // cha_ratio), max(1, positions // spa_ratio)
        if spatial:
            self.gx_spatial = _embedding(channels, by_channel)
            self.theta_spatial = _embedding(channels, by_channel)
            self.phi_spatial = _embedding(channels, by_channel)
            self.gg_spatial = _embedding(2 * positions, by_position)
            self.W_spatial = _gate(1 + by_position, down_ratio)
        if channel:
            self.gx_channel = _embedding(positions, by_position)
            self.theta_channel = _embedding(positions, by_position)
            self.phi_channel = _embedding(positions, by_position)
            self.gg_channel = _embedding(2 * channels, by_channel)
            self.W_channel = _gate(1 + by_channel, down_ratio)

    def forward(self, x: Tensor) -> Tensor:
        """Weight a map (B, C, H, W) by its attention; same shape."""
        if not self.spatial:
            return x * self.channel_attention(x)
        attention = self.spatial_attention(x)
        weighted = x * attention
        if not self.channel:
            return weighted
        with product_recomputed(weighted, x, attention):
            return weighted * self.channel_attention(weighted)

    def spatial_attention(self, x: Tensor) -> Tensor:
        """Attention (B, 1, H, W) in 0..1 of every position of x (B, C, H, W)."""
        units = (self.theta_spatial, self.phi_spatial, self.gx_spatial)
        nodes = x.flatten(2)  # (B, C, N)
        attention = recomputed(_attention, _projected(units, nodes), (*units, self.gg_spatial, self.W_spatial))
        return attention.view(len(x), 1, *x.shape[2:])

    def channel_attention(self, x: Tensor) -> Tensor:
        """Attention (B, C, 1, 1) in 0..1 of every channel of x (B, C, H, W)."""
        units = (self.theta_channel, self.phi_channel, self.gx_channel)
        nodes = x.flatten(2).transpose(1, 2)  # (B, N, C): positions are the inputs now, channels the places
        attention = recomputed(_attention, _projected(units, nodes), (*units, self.gg_channel, self.W_channel))
        return attention.view(*x.shape[:2], 1, 1)


def _projected(units: Sequence[nn.Sequential], nodes: Tensor) -> Sequence[Tensor]:
    """The convolutions of several units on nodes (B, I, P), as one product: (B, K, P) of each.

    No copy of the nodes is made, whichever of I and P is contiguous.
    """
    weight = torch.cat([_weight(unit) for unit in units])
    if nodes.is_contiguous():
        return shared_product(weight, nodes).chunk(len(units), dim=1)
    return F.linear(nodes.transpose(1, 2), weight).transpose(1, 2).chunk(len(units), dim=1)


def _weight(unit: nn.Sequential) -> Tensor:
    """Of the 1 x 1 convolution that a unit begins with, as a matrix (K, I)."""
    assert isinstance(unit[0], nn.Conv2d)
    return unit[0].weight.flatten(1)


def _activate(unit: nn.Sequential, projected: Tensor) -> Tensor:
    """Batch norm and ReLU of a unit on what its convolution made: (B, K, P)."""
    activated: Tensor = unit[2](unit[1](projected.contiguous().unsqueeze(3)))
    return activated.squeeze(3)


def _attention(
    theta: Tensor,
    phi: Tensor,
    own: Tensor,
    theta_unit: nn.Sequential,
    phi_unit: nn.Sequential,
    own_unit: nn.Sequential,
    relations: nn.Sequential,
    gate: nn.Sequential,
) -> Tensor:
    """Attention (B, P) in 0..1 of P nodes.

    Args:
        theta: (B, K, P), the convolution of `theta_unit` on the nodes.
        phi: see `theta`.
        own: see `theta`.
        theta_unit: the unit of theta; its batch norm and ReLU are still to come.
        phi_unit: see `theta_unit`.
        own_unit: see `theta_unit`.
        relations: the unit over the 2 P relations of a node.
        gate: the unit over its own mean and its M embedded relations.
    """
    theta, phi = _activate(theta_unit, theta), _activate(phi_unit, phi)
    mean = _activate(own_unit, own).mean(dim=1)
    w_in, w_out = _weight(relations).chunk(2, dim=1)
    sums = torch.cat((F.linear(phi, w_in), F.linear(theta, w_out)), dim=1)  # (B, 2 K, M)
    embedded = sums.transpose(1, 2) @ torch.cat((theta, phi), dim=1)  # (B, M, P): w_in phi^T theta + ...
    embedded = relations[2](relations[1](embedded.unsqueeze(3))).squeeze(3)
    first = _weight(gate)
    hidden = (shared_product(first[:, 1:], embedded) + first[:, :1] * mean[:, None]).unsqueeze(3)
    for layer in gate[1:]:
        hidden = layer(hidden)
    return hidden.sigmoid().flatten(1)
