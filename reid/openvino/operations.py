"""What each OpenVINO operation is in ONNX (operation sets 1 to 13, as far as re-identification networks use them)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from relaytrack.reid.errors import WeightsError
from relaytrack.reid.openvino.ir import TYPES, Layer
from relaytrack.reid.openvino.writer import Writer

Operation = Callable[[Writer, Layer, list[str]], str]
"""Writes a layer with the given input names; returns the name of its output."""


def numbers(layer: Layer, key: str, default: str = "") -> list[int]:
    """An attribute that is a list of whole numbers."""
    return [int(part) for part in layer.data.get(key, default).split(",") if part.strip()]


def flag(layer: Layer, key: str, default: bool = False) -> bool:
    """An attribute that is true or false."""
    return layer.data.get(key, str(default)).strip().lower() in ("true", "1")


def _plain(kind: str) -> Operation:
    return lambda to, layer, inputs: to.node(kind, inputs)


def _window(layer: Layer) -> dict[str, Any]:
    """The attributes that convolutions and poolings share."""
    padding = layer.data.get("auto_pad", "explicit").lower()
    made: dict[str, Any] = {"strides": numbers(layer, "strides")}
    if padding in ("explicit", "notset"):
        made["pads"] = numbers(layer, "pads_begin") + numbers(layer, "pads_end")
    elif padding == "valid":
        made["pads"] = [0] * (2 * len(made["strides"]))
    elif padding in ("same_upper", "same_lower"):
        made["auto_pad"] = padding.upper()
    else:
        raise WeightsError(f"layer {layer.name!r}: auto_pad {padding!r} is not known")
    return made


def _convolution(to: Writer, layer: Layer, inputs: list[str]) -> str:
    kernel = to.constant_of(inputs[1], layer)
    groups = 1
    if layer.kind == "GroupConvolution":
        groups = kernel.shape[0]
        kernel = kernel.reshape(kernel.shape[0] * kernel.shape[1], *kernel.shape[2:])
    shape = list(kernel.shape[2:])
    dilations = numbers(layer, "dilations") or [1] * len(shape)
    weights = to.constant(np.ascontiguousarray(kernel), f"{layer.name}.weight")
    return to.node(
        "Conv", [inputs[0], weights], group=groups, kernel_shape=shape, dilations=dilations, **_window(layer)
    )


def _pooling(to: Writer, layer: Layer, inputs: list[str]) -> str:
    attributes = _window(layer) | {"kernel_shape": numbers(layer, "kernel")}
    attributes["ceil_mode"] = int(layer.data.get("rounding_type", "floor") == "ceil")
    if layer.kind == "AvgPool":
        return to.node("AveragePool", inputs, count_include_pad=int(not flag(layer, "exclude-pad", True)), **attributes)
    if any(step != 1 for step in numbers(layer, "dilations")):
        attributes["dilations"] = numbers(layer, "dilations")
    return to.node("MaxPool", inputs[:1], **attributes)


def _prelu(to: Writer, layer: Layer, inputs: list[str]) -> str:
    slope = to.constant_of(inputs[1], layer)
    if slope.ndim == 1 and slope.size > 1:  # one slope per channel, the second axis
        slope = slope.reshape(-1, *([1] * (to.rank(inputs[0]) - 2)))
    return to.node("PRelu", [inputs[0], to.constant(slope, f"{layer.name}.slope")])


def _mvn(to: Writer, layer: Layer, inputs: list[str]) -> str:
    """Mean-variance normalisation; the first form adds eps to the deviation, the later one says where."""
    rank = to.rank(inputs[0])
    if len(inputs) > 1:
        axes = [int(axis) for axis in to.constant_of(inputs[1], layer).ravel()]
        inside = layer.data.get("eps_mode", "inside_sqrt").lower() == "inside_sqrt"
    else:
        axes, inside = list(range(1 if flag(layer, "across_channels") else 2, rank)), False
    over = to.constant(np.array(axes, np.int64), f"{layer.name}.axes")
    centred = to.node("Sub", [inputs[0], to.node("ReduceMean", [inputs[0], over], keepdims=1)])
    if not flag(layer, "normalize_variance", True):
        return centred
    variance = to.node("ReduceMean", [to.node("Mul", [centred, centred]), over], keepdims=1)
    eps = to.constant(np.array(float(layer.data.get("eps", "0")), np.float32), f"{layer.name}.eps")
    if inside:
        deviation = to.node("Sqrt", [to.node("Add", [variance, eps])])
    else:
        deviation = to.node("Add", [to.node("Sqrt", [variance]), eps])
    return to.node("Div", [centred, deviation])


def _reduce(to: Writer, layer: Layer, inputs: list[str]) -> str:
    axes = to.constant_of(inputs[1], layer).astype(np.int64).ravel()
    over = to.constant(axes, f"{layer.name}.axes")
    return to.node(layer.kind, [inputs[0], over], keepdims=int(flag(layer, "keep_dims")))


def _reshape(to: Writer, layer: Layer, inputs: list[str]) -> str:
    """A target that begins with the file's batch of 1 keeps the batch that there is."""
    target = to.constant_of(inputs[1], layer).astype(np.int64).ravel().copy()
    if (target == 0).any() and not flag(layer, "special_zero"):
        raise WeightsError(f"layer {layer.name!r}: a reshape to a size of 0")
    if len(target) and target[0] == 1 and to.has_batch(inputs[0]):
        target[0] = 0
    return to.node("Reshape", [inputs[0], to.constant(target, f"{layer.name}.shape")])


def _matmul(to: Writer, layer: Layer, inputs: list[str]) -> str:
    made = []
    for name, key in zip(inputs, ("transpose_a", "transpose_b"), strict=True):
        if flag(layer, key):
            rank = to.rank(name)
            name = to.node("Transpose", [name], perm=[*range(rank - 2), rank - 1, rank - 2])
        made.append(name)
    return to.node("MatMul", made)


def _gather(to: Writer, layer: Layer, inputs: list[str]) -> str:
    if layer.data.get("batch_dims", "0") != "0":
        raise WeightsError(f"layer {layer.name!r}: Gather with batch_dims is not supported")
    axis = int(to.constant_of(inputs[2], layer).ravel()[0])
    return to.node("Gather", inputs[:2], axis=axis)


def _concat(to: Writer, layer: Layer, inputs: list[str]) -> str:
    return to.node("Concat", inputs, axis=int(layer.data["axis"]))


def _transpose(to: Writer, layer: Layer, inputs: list[str]) -> str:
    order = to.constant_of(inputs[1], layer).ravel().tolist() if len(inputs) > 1 else []
    return to.node("Transpose", inputs[:1], perm=order or list(range(to.rank(inputs[0])))[::-1])


def _axes(to: Writer, layer: Layer, inputs: list[str]) -> str:
    """Squeeze and Unsqueeze."""
    if len(inputs) == 1:
        return to.node(layer.kind, inputs)
    axes = to.constant_of(inputs[1], layer).astype(np.int64).ravel()
    return to.node(layer.kind, [inputs[0], to.constant(axes, f"{layer.name}.axes")])


def _clamp(to: Writer, layer: Layer, inputs: list[str]) -> str:
    low, high = (np.array(float(layer.data[key]), np.float32) for key in ("min", "max"))
    bounds = [to.constant(low, f"{layer.name}.min"), to.constant(high, f"{layer.name}.max")]
    return to.node("Clip", [inputs[0], *bounds])


def _convert(to: Writer, layer: Layer, inputs: list[str]) -> str:
    kind = layer.data["destination_type"]
    if kind not in TYPES:
        raise WeightsError(f"layer {layer.name!r}: a conversion to {kind} is not supported")
    # Half precision is how numbers are stored; they are computed in single precision.
    wanted = np.dtype(np.float32 if kind in ("f16", "f64") else TYPES[kind])
    known = to.constants.get(inputs[0])
    if known is not None:
        return to.constant(known.astype(wanted), layer.name)
    return to.node("Cast", inputs, to=to.type_of(wanted))


def _softmax(to: Writer, layer: Layer, inputs: list[str]) -> str:
    return to.node("Softmax", inputs, axis=int(layer.data.get("axis", "1")))


def _elu(to: Writer, layer: Layer, inputs: list[str]) -> str:
    return to.node("Elu", inputs, alpha=float(layer.data.get("alpha", "1")))


def _normalise(to: Writer, layer: Layer, inputs: list[str]) -> str:
    """NormalizeL2: x / sqrt(max(or plus) eps and the sum of squares)."""
    axes = to.constant(to.constant_of(inputs[1], layer).astype(np.int64).ravel(), f"{layer.name}.axes")
    squares = to.node("ReduceSum", [to.node("Mul", [inputs[0], inputs[0]]), axes], keepdims=1)
    eps = to.constant(np.array(float(layer.data["eps"]), np.float32), f"{layer.name}.eps")
    kind = "Max" if layer.data.get("eps_mode") == "max" else "Add"
    return to.node("Div", [inputs[0], to.node("Sqrt", [to.node(kind, [squares, eps])])])


def _swish(to: Writer, layer: Layer, inputs: list[str]) -> str:
    inner = inputs[0] if len(inputs) == 1 else to.node("Mul", inputs)
    return to.node("Mul", [inputs[0], to.node("Sigmoid", [inner])])


OPERATIONS: dict[str, Operation] = {
    "Add": _plain("Add"),
    "Subtract": _plain("Sub"),
    "Multiply": _plain("Mul"),
    "Divide": _plain("Div"),
    "Power": _plain("Pow"),
    "Maximum": _plain("Max"),
    "Minimum": _plain("Min"),
    "ReLU": _plain("Relu"),
    "Sigmoid": _plain("Sigmoid"),
    "Tanh": _plain("Tanh"),
    "Sqrt": _plain("Sqrt"),
    "Exp": _plain("Exp"),
    "Abs": _plain("Abs"),
    "HSwish": _plain("HardSwish"),
    "Swish": _swish,
    "Elu": _elu,
    "Softmax": _softmax,
    "PReLU": _prelu,
    "Clamp": _clamp,
    "Convolution": _convolution,
    "GroupConvolution": _convolution,
    "MaxPool": _pooling,
    "AvgPool": _pooling,
    "MVN": _mvn,
    "NormalizeL2": _normalise,
    "ReduceMean": _reduce,
    "ReduceMax": _reduce,
    "ReduceSum": _reduce,
    "ReduceL2": _reduce,
    "Reshape": _reshape,
    "Squeeze": _axes,
    "Unsqueeze": _axes,
    "Transpose": _transpose,
    "Concat": _concat,
    "Gather": _gather,
    "MatMul": _matmul,
    "Convert": _convert,
}
"""All operations that are read, by OpenVINO's name."""
