"""RGA in a form that ONNX runtimes run fast: no transposed copy of a map, and the usual fusions stay possible."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from relaytrack.reid.attention.rga_branch import Branch


def exported_attention(x: Tensor, spatial: Branch | None, channel: Branch | None) -> Tensor:
    """Weight a map (B, C, H, W) by its attention.

    CPU runtimes keep maps in blocks of channels between convolutions and need a plain (C, N) matrix for
    everything else. So a map is unblocked once, weighted as a matrix, and blocked again; where the channel
    branch's convolution wants positions as its "channels", the transpose goes into the blocking.
    """
    channels, height, width = (int(side) for side in x.shape[1:])  # plain numbers: no shapes in the ONNX
    positions = height * width
    rows = x.reshape(-1, channels, positions)
    if spatial is not None:
        rows = rows * _attention(spatial, x, together=False).reshape(-1, 1, positions)
    if channel is not None:
        nodes = rows.reshape(-1, channels, 1, positions).permute(0, 3, 1, 2)  # (B, N, C, 1)
        rows = rows * _attention(channel, nodes, together=True)
    return rows.reshape(-1, channels, height, width)


def _attention(branch: Branch, nodes: Tensor, *, together: bool) -> Tensor:
    """Attention (B, P, 1) in 0..1 of nodes (B, I, h, w), P = h w.

    With `together` one convolution embeds all three, so that the transpose of `nodes` merges into the blocking.
    Otherwise two convolutions do, which copies less out of theta, phi and g.
    """
    size, places = branch.size, int(nodes.shape[2] * nodes.shape[3])
    weight, bias = branch.embed[:, :, None, None], branch.embed_bias
    # the mean of a node's own embedding and the gate's weights of it, as one convolution
    mean = (branch.own[:, None] / size).expand(-1, size)
    if together:
        embedded = F.conv2d(nodes, weight, bias).relu()
        mean = torch.cat((mean.new_zeros(len(mean), 2 * size), mean), dim=1)
        pair = embedded.reshape(-1, 3 * size, places)[:, : 2 * size]
    else:
        embedded = F.conv2d(nodes, weight[2 * size :], bias[2 * size :]).relu()
        pair = F.conv2d(nodes, weight[: 2 * size], bias[: 2 * size]).relu().reshape(-1, 2 * size, places)
    own = F.conv2d(embedded, mean[:, :, None, None], branch.gate_bias)
    own = own.permute(0, 2, 3, 1).reshape(-1, places, len(branch.own))
    theta, phi = torch.split(pair, size, dim=1)
    sums = torch.cat((phi @ branch.w_in, theta @ branch.w_out), dim=1)  # (B, 2 K, M)
    relation = pair.transpose(1, 2) @ sums
    relation = torch.maximum(relation, -branch.relation_bias)  # see rga_deployed
    hidden = (relation @ branch.gate.t() + own).relu()
    return F.linear(hidden, branch.logit, branch.logit_bias).sigmoid()
