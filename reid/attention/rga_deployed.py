"""RGA for inference: batch norms folded, theta, phi and g as one product."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reid.attention.rga import RelationAwareGlobalAttention
from reid.folding import scale_and_shift


class _Branch(nn.Module):
    """The folded weights of one branch; the convolutions are plain matrices here.

    Attributes:
        embed: (3 K, I), rows of theta, phi and g over the I inputs of a node.
        embed_bias: (3 K,).
        w_in: (M, P), weights of the relations G[p, :] to the P nodes.
        w_out: (M, P), weights of the relations G[:, p].
        relation_bias: (M,).
        own: (hidden,), the gate's weights of a node's own mean.
        gate: (hidden, M), the gate's weights of the embedded relations.
        gate_bias: (hidden,).
        logit: (1, hidden).
        logit_bias: (1,).
    """

    embed: Tensor
    embed_bias: Tensor
    w_in: Tensor
    w_out: Tensor
    relation_bias: Tensor
    own: Tensor
    gate: Tensor
    gate_bias: Tensor
    logit: Tensor
    logit_bias: Tensor

    def __init__(self, theta: nn.Module, phi: nn.Module, own: nn.Module, relations: nn.Module, gate: nn.Module) -> None:
        super().__init__()
        rows, shifts = zip(*(_folded(unit, 0) for unit in (theta, phi, own)), strict=True)
        relation, relation_bias = _folded(relations, 0)
        first, first_bias = _folded(gate, 0)
        logit, logit_bias = _folded(gate, 3)
        w_in, w_out = relation.chunk(2, dim=1)
        self.size = len(rows[0])
        tensors = {
            "embed": torch.cat(rows),
            "embed_bias": torch.cat(shifts),
            "w_in": w_in,
            "w_out": w_out,
            "relation_bias": relation_bias,
            "own": first[:, 0],
            "gate": first[:, 1:],
            "gate_bias": first_bias,
            "logit": logit,
            "logit_bias": logit_bias,
        }
        for name, tensor in tensors.items():
            self.register_buffer(name, tensor.contiguous())


def _folded(unit: nn.Module, index: int) -> tuple[Tensor, Tensor]:
    """Matrix (outputs, inputs) and bias (outputs,) of the 1 x 1 convolution and batch norm at `index`."""
    assert isinstance(unit, nn.Sequential)
    conv, norm = unit[index], unit[index + 1]
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    scale, shift = scale_and_shift(norm)
    return conv.weight.detach().flatten(1) * scale[:, None], shift


class DeployedRelationAwareGlobalAttention(nn.Module):
    """The same function as a `RelationAwareGlobalAttention` in eval mode, for inference only.

    Nodes stand in rows, (B, P, I): a node's own numbers are contiguous. One matrix product embeds all nodes
    three ways, and no activation is larger than the input map.
    """

    def __init__(self, trained: RelationAwareGlobalAttention) -> None:
        super().__init__()
        self.spatial: _Branch | None = None
        self.channel: _Branch | None = None
        if trained.spatial:
            self.spatial = _Branch(
                trained.theta_spatial,
                trained.phi_spatial,
                trained.gx_spatial,
                trained.gg_spatial,
                trained.W_spatial,
            )
        if trained.channel:
            self.channel = _Branch(
                trained.theta_channel,
                trained.phi_channel,
                trained.gx_channel,
                trained.gg_channel,
                trained.W_channel,
            )

    def forward(self, x: Tensor) -> Tensor:
        """Weight a map (B, C, H, W) by its attention; same shape."""
        batch, channels, height, width = x.shape
        if self.spatial is not None:
            weight = self.spatial.embed[:, :, None, None]
            embedded = F.conv2d(x, weight, self.spatial.embed_bias).relu_()
            attention = _attention(self.spatial, embedded.flatten(2).transpose(1, 2))
            x = x * attention.view(batch, 1, height, width)
        if self.channel is not None:
            nodes = x.flatten(2)
            embedded = F.linear(nodes, self.channel.embed, self.channel.embed_bias).relu_()
            attention = _attention(self.channel, embedded)
            x = x * attention.view(batch, channels, 1, 1)
        return x


def _attention(branch: _Branch, embedded: Tensor) -> Tensor:
    """Attention (B, P, 1) in 0..1 of nodes embedded as (B, P, 3 K): theta, phi and g side by side."""
    theta, phi, own = torch.split(embedded, branch.size, dim=2)
    left = branch.w_in @ phi  # (B, M, K)
    right = branch.w_out @ theta
    relation = theta @ left.transpose(1, 2) + phi @ right.transpose(1, 2)  # (B, P, M)
    relation = (relation + branch.relation_bias).relu_()
    hidden = F.linear(relation, branch.gate, branch.gate_bias) + own.mean(dim=2, keepdim=True) * branch.own
    return F.linear(hidden.relu_(), branch.logit, branch.logit_bias).sigmoid_()
