"""Runs the graph of an ONNX file as a PyTorch module: the same weights on a GPU without onnxruntime's CUDA build.

Knows the operations of plain convolutional detectors; anything else is refused when the module is built.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from relaytrack.pipeline.perception.detectors.onnx_file import Node, OnnxFileError, OnnxModel

Operation = Callable[[Node, list[Tensor]], list[Tensor]]


class OnnxModule(torch.nn.Module):
    """The graph as a module: `forward` takes the one input and returns the outputs in the file's order.

    Weights are kept as float32 buffers. Constants that say how (pads, scales, shapes) stay on the CPU, so that a
    run on a GPU never waits for it.

    Args:
        model: a parsed file with one input.

    Raises:
        OnnxFileError: an operation or one of its settings is not known.
    """

    def __init__(self, model: OnnxModel) -> None:
        super().__init__()
        if len(model.inputs) != 1:
            raise OnnxFileError(f"{len(model.inputs)} inputs, one is supported")
        self.input, self.outputs = model.inputs[0].name, tuple(port.name for port in model.outputs)
        weights = {name: torch.from_numpy(np.array(value)) for name, value in model.weights.items()}
        self._nodes: list[Node] = []
        for node in model.nodes:
            if node.op == "Cast" and node.inputs[0] in weights:
                weights[node.outputs[0]] = weights[node.inputs[0]].float()
            elif node.op not in _OPERATIONS:
                raise OnnxFileError(f"operation {node.op} is not supported")
            else:
                _refuse_unknown_settings(node)
                self._nodes.append(node)
        used = {name for node in self._nodes for name in node.inputs if name}
        made = {self.input, *weights, *(name for node in self._nodes for name in node.outputs)}
        if missing := sorted((used | set(self.outputs)) - made):
            raise OnnxFileError(f"{missing[0]!r} is missing, or of a type that is not supported")
        placed = {name for node in self._nodes if node.op in ("Conv", "Add") for name in node.inputs}
        self._constants = {name: value for name, value in weights.items() if name in used - placed}
        self._names = {name: f"weight_{number}" for number, name in enumerate(sorted(placed & weights.keys()))}
        for name, buffer in self._names.items():
            self.register_buffer(buffer, weights[name].float(), persistent=False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Run the graph on (B, 3, H, W)."""
        values: dict[str, Tensor] = {name: getattr(self, buffer) for name, buffer in self._names.items()}
        values |= self._constants
        values[self.input] = images
        for node in self._nodes:
            results = _OPERATIONS[node.op](node, [values[name] for name in node.inputs if name])
            values.update(zip(node.outputs, results, strict=True))
        return [values[name] for name in self.outputs]


def _refuse_unknown_settings(node: Node) -> None:
    """Raise for a setting under which the operations below would compute something else."""
    wanted = {
        "auto_pad": ("NOTSET",),
        "mode": ("linear", "constant"),
        "coordinate_transformation_mode": ("half_pixel", "pytorch_half_pixel"),
        "ceil_mode": ([0],),
        "exclude_outside": ([0],),
    }
    for name, allowed in wanted.items():
        if name in node.attributes and node.attributes[name] not in allowed:
            raise OnnxFileError(f"{node.op} with {name} = {node.attributes[name]} is not supported")


def _integers(node: Node, name: str, default: list[int]) -> list[int]:
    value = node.attributes.get(name, default)
    if not isinstance(value, list):
        raise OnnxFileError(f"{node.op}: {name} is not a list of integers")
    return value


def _padded(node: Node, image: Tensor, value: float) -> tuple[Tensor, list[int]]:
    """Apply the part of `pads` that differs between both sides; return the rest as (rows, columns)."""
    top, left, bottom, right = _integers(node, "pads", [0, 0, 0, 0])
    if (top, left) == (bottom, right):
        return image, [top, left]
    return functional.pad(image, (left, right, top, bottom), value=value), [0, 0]


def _conv(node: Node, inputs: list[Tensor]) -> list[Tensor]:
    image, padding = _padded(node, inputs[0], 0.0)
    return [
        functional.conv2d(
            image,
            inputs[1],
            inputs[2] if len(inputs) > 2 else None,
            stride=_integers(node, "strides", [1, 1]),
            padding=padding,
            dilation=_integers(node, "dilations", [1, 1]),
            groups=_integers(node, "group", [1])[0],
        )
    ]


def _max_pool(node: Node, inputs: list[Tensor]) -> list[Tensor]:
    image, padding = _padded(node, inputs[0], float("-inf"))
    kernel = _integers(node, "kernel_shape", [])
    return [functional.max_pool2d(image, kernel, _integers(node, "strides", [1, 1]), padding)]


def _leaky_relu(node: Node, inputs: list[Tensor]) -> list[Tensor]:
    slope = node.attributes.get("alpha", 0.01)
    if not isinstance(slope, float):
        raise OnnxFileError("LeakyRelu: alpha is not a number")
    return [functional.leaky_relu(inputs[0], slope)]


def _pad(node: Node, inputs: list[Tensor]) -> list[Tensor]:
    pads = inputs[1].tolist()
    axes = len(pads) // 2
    pairs = [size for axis in reversed(range(axes)) for size in (pads[axis], pads[axis + axes])]
    return [functional.pad(inputs[0], pairs, value=float(inputs[2]) if len(inputs) > 2 else 0.0)]


def _resize(node: Node, inputs: list[Tensor]) -> list[Tensor]:
    scales = inputs[-1].tolist()
    if inputs[-1].dtype != torch.float32 or len(scales) != 4 or scales[:2] != [1.0, 1.0]:
        raise OnnxFileError("Resize is supported by scales of height and width only")
    factor = [float(scale) for scale in scales[2:]]
    return [functional.interpolate(inputs[0], scale_factor=factor, mode="bilinear", align_corners=False)]


def _split(node: Node, inputs: list[Tensor]) -> list[Tensor]:
    return list(torch.split(inputs[0], inputs[1].tolist(), _integers(node, "axis", [0])[0]))


def _reshape(node: Node, inputs: list[Tensor]) -> list[Tensor]:
    shape = [inputs[0].shape[axis] if size == 0 else size for axis, size in enumerate(inputs[1].tolist())]
    return [inputs[0].reshape(shape)]


_OPERATIONS: dict[str, Operation] = {
    "Add": lambda node, inputs: [inputs[0] + inputs[1]],
    "Concat": lambda node, inputs: [torch.cat(inputs, _integers(node, "axis", [0])[0])],
    "Conv": _conv,
    "LeakyRelu": _leaky_relu,
    "MaxPool": _max_pool,
    "Pad": _pad,
    "Reshape": _reshape,
    "Resize": _resize,
    "Sigmoid": lambda node, inputs: [torch.sigmoid(inputs[0])],
    "Split": _split,
    "Transpose": lambda node, inputs: [inputs[0].permute(_integers(node, "perm", []))],
}
