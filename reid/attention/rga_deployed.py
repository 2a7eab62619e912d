"""RGA for inference: batch norms folded, theta, phi and g as one product."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from relaytrack.reid.attention.rga import RelationAwareGlobalAttention
from relaytrack.reid.attention.rga_branch import Branch
from relaytrack.reid.attention.rga_exported import exported_attention


class DeployedRelationAwareGlobalAttention(nn.Module):
    """The same function as a `RelationAwareGlobalAttention` in eval mode, for inference only.

    One product embeds all nodes three ways, and no activation is larger than the input map. Where the map lies
    channels last, positions are the rows of one (N, C) matrix, and nothing is transposed; where it lies channels
    first, its (C, N) matrix is used as it is. For ONNX see `relaytrack.reid.attention.rga_exported`.
    """

    def __init__(self, trained: RelationAwareGlobalAttention) -> None:
        super().__init__()
        self.spatial: Branch | None = None
        self.channel: Branch | None = None
        if trained.spatial:
            self.spatial = Branch(
                trained.theta_spatial,
                trained.phi_spatial,
                trained.gx_spatial,
                trained.gg_spatial,
                trained.W_spatial,
            )
        if trained.channel:
            self.channel = Branch(
                trained.theta_channel,
                trained.phi_channel,
                trained.gx_channel,
                trained.gg_channel,
                trained.W_channel,
            )

    def forward(self, x: Tensor) -> Tensor:
        """Weight a map (B, C, H, W) by its attention; same shape."""
        if torch.onnx.is_in_onnx_export():
            return exported_attention(x, self.spatial, self.channel)
        if x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous():
            return self._positions_in_rows(x)
        return self._channels_in_rows(x)

    def _positions_in_rows(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        rows = x.permute(0, 2, 3, 1).reshape(batch, height * width, channels)
        if self.spatial is not None:
            weight = self.spatial.embed[:, :, None, None]
            embedded = F.conv2d(x, weight, self.spatial.embed_bias).relu_()
            rows = rows * _attention(self.spatial, embedded.flatten(2))
        if self.channel is not None:
            attention = _attention(self.channel, self._embed_channels(self.channel, rows))
            rows = _weighted(rows, attention.transpose(1, 2), own=self.spatial is not None)
        return rows.view(batch, height, width, channels).permute(0, 3, 1, 2)

    @staticmethod
    def _embed_channels(branch: Branch, rows: Tensor) -> Tensor:
        """(B, N, C) -> (B, 3 K, C)."""
        weight = branch.embed.expand(rows.shape[0], -1, -1)
        return torch.baddbmm(branch.embed_bias[:, None], weight, rows).relu_()

    def _channels_in_rows(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        if self.spatial is not None:
            weight = self.spatial.embed[:, :, None, None]
            embedded = F.conv2d(x, weight, self.spatial.embed_bias).relu_()
            attention = _attention(self.spatial, embedded.flatten(2))
            x = x * attention.view(batch, 1, height, width)
        if self.channel is not None:
            embedded = F.linear(x.flatten(2), self.channel.embed, self.channel.embed_bias).relu_()
            attention = _attention(self.channel, embedded.transpose(1, 2)).view(batch, channels, 1, 1)
            x = _weighted(x, attention, own=self.spatial is not None)
        return x


def _weighted(x: Tensor, attention: Tensor, *, own: bool) -> Tensor:
    """Weight x by its attention, in place where x is the module's own (the caller's map stays as it is)."""
    return x.mul_(attention) if own else x * attention


def _attention(branch: Branch, embedded: Tensor) -> Tensor:
    """Attention (B, P, 1) in 0..1 of nodes embedded as (B, 3 K, P): theta, phi and g one below the other."""
    theta, phi, own = torch.split(embedded, branch.size, dim=1)
    sums = torch.cat((phi @ branch.w_in, theta @ branch.w_out), dim=1)  # (B, 2 K, M)
    relation = embedded[:, : 2 * branch.size].transpose(1, 2) @ sums  # (B, P, M), still without its bias
    relation = relation.clamp_min_(-branch.relation_bias)  # ReLU(r + b) = max(r, -b) + b; b is in gate_bias
    hidden = F.linear(relation, branch.gate, branch.gate_bias)
    hidden = hidden + own.mean(dim=1).unsqueeze(2) * branch.own
    return F.linear(hidden.relu_(), branch.logit, branch.logit_bias).sigmoid_()
