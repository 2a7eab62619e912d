"""The weights of one branch of RGA, folded for inference."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from relaytrack.reid.folding import scale_and_shift


class Branch(nn.Module):
    """The folded weights of one branch; the convolutions are plain matrices here.

    Attributes:
        embed: (3 K, I), rows of theta, phi and g over the I inputs of a node.
        embed_bias: (3 K,).
        w_in: (P, M), weights of the relations G[p, :] to the P nodes.
        w_out: (P, M), weights of the relations G[:, p].
        relation_bias: (M,).
        own: (hidden,), the gate's weights of a node's own mean.
        gate: (hidden, M), the gate's weights of the embedded relations.
        gate_bias: (hidden,), with what the relations' bias comes to behind the gate's weights.
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
        w_in, w_out = relation.t().chunk(2, dim=0)
        self.size = len(rows[0])
        tensors = {
            "embed": torch.cat(rows),
            "embed_bias": torch.cat(shifts),
            "w_in": w_in,
            "w_out": w_out,
            "relation_bias": relation_bias,
            "own": first[:, 0],
            "gate": first[:, 1:],
            "gate_bias": first_bias + first[:, 1:] @ relation_bias,
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
