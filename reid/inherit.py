"""Weights of Open Model Zoo's person-reidentification-retail networks for `relaytrack.reid.backbones.osnet_in`.

The files are ONNX graphs in the form that `relaytrack reid import` writes from OpenVINO IR: batch norms folded, names
of layers lost. So tensors are told apart by the order in which the graph uses them, and by their shapes.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from relaytrack.reid.attention.rga import RelationAwareGlobalAttention
from relaytrack.reid.backbones.osnet_in import ContextGate, InstanceOmniScaleBlock, OSNetIN, SqueezeGate
from relaytrack.reid.depthwise_head import GlobalDepthwiseHead, resized_pool
from relaytrack.reid.errors import WeightsError, first_line
from relaytrack.reid.model import ReidModel

_OPEN_LOGIT, _OPEN_SLOPE = 2.0, 0.05  # of a gate's last batch norm: nearly open, with a little of what it will see
_WIDTHS = {16: 0.25, 32: 0.5, 48: 0.75, 64: 1.0}  # channels of the stem: multiplier


@dataclasses.dataclass(frozen=True, slots=True)
class Inherited:
    """A retail network, taken apart.

    Attributes:
        width: multiplier of OSNet's channels.
        backbone: state dict of `OSNetIN(width)`.
        pool_weight: (C, 1, h, w) of the global depthwise convolution.
        pool_bias: (C,).
        project_weight: (D, C); the output's scale is inside.
        project_bias: (D,).
    """

    width: float
    backbone: dict[str, Tensor]
    pool_weight: Tensor
    pool_bias: Tensor
    project_weight: Tensor
    project_bias: Tensor


def read_retail(path: Path | str) -> Inherited:
    """Take a retail network's ONNX file apart.

    Raises:
        WeightsError: the file is missing, unreadable, or another network.
    """
    try:
        return _read(_Graph(path))
    except (KeyError, IndexError, StopIteration, RuntimeError, ValueError) as error:
        raise WeightsError(f"{path} is no person-reidentification-retail network of Open Model Zoo") from error


class _Graph:
    """The tensors of a graph in the order of their use."""

    def __init__(self, path: Path | str) -> None:
        try:
            import onnx
            from onnx import numpy_helper

            proto = onnx.load(str(path))
        except Exception as error:
            raise WeightsError(f"{path} is no readable ONNX file: {first_line(error)}") from error
        self.values: dict[str, NDArray[Any]] = {t.name: numpy_helper.to_array(t) for t in proto.graph.initializer}
        self.nodes: list[Any] = []
        for node in proto.graph.node:
            if node.op_type == "Cast" and node.input[0] in self.values:  # of weights that are kept in float16
                self.values[node.output[0]] = self.values[node.input[0]]
            else:
                self.nodes.append(node)
        self.users: dict[str, list[Any]] = {}
        for node in self.nodes:
            for name in node.input:
                self.users.setdefault(name, []).append(node)

    def constant(self, node: Any) -> Tensor:
        """The constant operand of a node, as float32."""
        name = next(name for name in node.input if name in self.values)
        return torch.from_numpy(np.array(self.values[name], np.float32))

    def following(self, node: Any, kind: str) -> Any:
        """The node of a kind that takes the output of `node` (not looked for further down)."""
        return next(user for user in self.users[node.output[0]] if user.op_type == kind)

    def chain(self, node: Any, kinds: tuple[str, ...]) -> Any:
        """Follow a chain of nodes."""
        for kind in kinds:
            node = self.following(node, kind)
        return node


def inherit(model: ReidModel, path: Path | str) -> None:
    """Fill a network with a retail network's tensors, in place: it then gives nearly the same embeddings.

    The head's weights are resized to the network's input size. A second part of the embedding begins as a rotation
    of the first. The gates of relation-aware attention begin open: nearly the same everywhere, and the next layer
    makes up for that factor.

    Args:
        model: a network with the osnet_in backbone of the file's width and the depthwise head.
        path: ONNX file of a person-reidentification-retail network.

    Raises:
        WeightsError: the file is unreadable or another network, or `model` has another backbone or head.
    """
    given = read_retail(path)
    head, backbone = model.head, model.backbone
    if not isinstance(backbone, OSNetIN) or not isinstance(head, GlobalDepthwiseHead):
        raise WeightsError(f"{path}: only osnet_in backbones with the depthwise head can inherit from it")
    size = len(given.project_weight)
    if backbone.width != given.width or head.dim != size * head.parts:
        raise WeightsError(
            f"{path} has the backbone osnet_in_x{given.width:g} and {size} numbers per part of the embedding, "
            f"the network osnet_in_x{backbone.width:g} and {head.dim // head.parts}"
        )
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        backbone.load_state_dict(given.backbone)
        head.pool.weight.copy_(resized_pool(given.pool_weight, *head.pool.weight.shape[2:]))
        assert head.pool.bias is not None
        head.pool.bias.copy_(given.pool_bias)
        for part in range(head.parts):
            turn = torch.linalg.qr(torch.randn(size, size, generator=generator))[0] if part else torch.eye(size)
            head.project.weight[part * size : (part + 1) * size] = turn @ given.project_weight
            head.project.bias[part * size : (part + 1) * size] = turn @ given.project_bias
        _open_gates(model)


def _open_gates(model: ReidModel) -> None:
    """Let every gate begin at sigmoid(2), whatever it sees, and divide the next layer's weights by that."""
    backbone, head = model.backbone, model.head
    assert isinstance(backbone, OSNetIN)
    assert isinstance(head, GlobalDepthwiseHead)
    after = {
        "stage1": backbone.conv2[2].conv,
        "stage2": backbone.conv3[2].conv,
        "stage3": backbone.conv5[0],
        "stage4": head.pool,
    }
    for name, attention in model.attention.items():
        if not isinstance(attention, RelationAwareGlobalAttention):
            continue
        factor = 1.0
        for gate in (
            attention.W_spatial if attention.spatial else None,
            attention.W_channel if attention.channel else None,
        ):
            if gate is not None:
                norm = gate[-1]
                assert isinstance(norm, nn.BatchNorm2d)
                nn.init.constant_(norm.weight, _OPEN_SLOPE)
                nn.init.constant_(norm.bias, _OPEN_LOGIT)
                factor *= 1 / (1 + math.exp(-_OPEN_LOGIT))
        layer = after[name]
        assert isinstance(layer, nn.Conv2d)
        layer.weight.div_(factor)


def _read(graph: _Graph) -> Inherited:
    state: dict[str, Tensor] = {}
    convs = [node for node in graph.nodes if node.op_type == "Conv"]
    order = iter(convs)

    def convolution(name: str, *, bias: bool = True) -> Any:
        node = next(order)
        state[f"{name}.weight"] = graph.constant(node)
        if bias:
            state[f"{name}.bias"] = graph.constant(graph.following(node, "Add")).flatten()
        return node

    norms = [node for node in graph.nodes if node.op_type == "Div"]
    stem_channels = len(graph.constant(convs[0]))
    width = _WIDTHS[stem_channels]
    model = OSNetIN(width)
    for name, node in zip(("stem.image_norm", "stem.norm"), norms[:2], strict=True):
        scale = graph.following(node, "Mul")
        state[f"{name}.weight"] = graph.constant(scale).flatten()
        state[f"{name}.bias"] = graph.constant(graph.following(scale, "Add")).flatten()
    convolution("stem.conv", bias=False)
    for stage in ("conv2", "conv3", "conv4"):
        for number, block in enumerate(getattr(model, stage)):
            if isinstance(block, InstanceOmniScaleBlock):
                _block(graph, f"{stage}.{number}", block, convolution, order, state)
            else:
                convolution(f"{stage}.{number}.conv")
    convolution("conv5.0")
    convolution("pool")
    last = next(node for node in graph.nodes if node.op_type == "MatMul")
    project, bias = graph.constant(last).T, graph.constant(graph.following(last, "Add")).flatten()
    scale_node = graph.chain(last, ("Add", "Reshape", "Mul"))
    scale, shift = graph.constant(scale_node).flatten(), graph.constant(graph.following(scale_node, "Add")).flatten()
    pool_weight, pool_bias = state.pop("pool.weight"), state.pop("pool.bias")
    model.load_state_dict(state)
    return Inherited(width, state, pool_weight, pool_bias, project * scale[:, None], bias * scale + shift)


def _block(
    graph: _Graph,
    name: str,
    block: InstanceOmniScaleBlock,
    convolution: Callable[..., Any],
    order: Any,
    state: dict[str, Tensor],
) -> None:
    """One block's tensors; its gate's stand four times in the graph, once per stream."""
    convolution(f"{name}.conv1")
    for stream, layers in (("conv2a", 1), ("conv2b", 2), ("conv2c", 3), ("conv2d", 4)):
        last = None
        for layer in range(layers):
            convolution(f"{name}.{stream}.{layer}.conv1", bias=False)
            last = convolution(f"{name}.{stream}.{layer}.conv2")
        if isinstance(block.gate, SqueezeGate):
            convolution(f"{name}.gate.fc1")
            convolution(f"{name}.gate.fc2")
        else:
            assert isinstance(block.gate, ContextGate)
            node = graph.chain(last, ("Add", "Relu", "ReduceMean", "Reshape", "Sub", "Div", "Reshape", "Mul"))
            state[f"{name}.gate.weight"] = graph.constant(node).flatten()
            state[f"{name}.gate.bias"] = graph.constant(graph.following(node, "Add")).flatten()
    convolution(f"{name}.conv3")
    if isinstance(block.downsample, nn.Conv2d):
        convolution(f"{name}.downsample")
