"""What a detector's ONNX file holds: nodes, weights, inputs and outputs, and how its sizes are made free."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

Attribute = float | str | list[int] | NDArray[np.generic]

_WEIGHTS = {
    TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BOOL,
    TensorProto.UINT8, TensorProto.INT8, TensorProto.INT32, TensorProto.INT64,
}  # fmt: skip


class OnnxFileError(ValueError):
    """The bytes are no ONNX model, or one with something that is not supported."""


@dataclass(frozen=True, slots=True)
class Port:
    """A named input or output of the graph; `sizes` has the length of each axis, None where it is free."""

    name: str
    sizes: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Node:
    """One operation of the graph; an attribute of one integer is a list of one."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Attribute] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OnnxModel:
    """A graph: its nodes in an order in which they can run, its weights by name, its inputs and outputs.

    Weights of unusual types, and those kept in another file, are left out.
    """

    nodes: tuple[Node, ...]
    weights: dict[str, NDArray[np.generic]]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]


def read_model(data: bytes) -> OnnxModel:
    """Read the bytes of an ONNX file.

    Raises:
        OnnxFileError: they are no such file, or it is cut off.
    """
    graph = _model(data).graph
    try:
        return OnnxModel(
            tuple(_node(node) for node in graph.node),
            {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer if _readable(tensor)},
            tuple(_port(value) for value in _inputs(graph)),
            tuple(_port(value) for value in graph.output),
        )
    except Exception as error:  # what onnx raises for a damaged tensor depends on what is damaged
        raise OnnxFileError("not an ONNX model, or cut off") from error


def free_spatial_size(data: bytes) -> bytes:
    """Make the height and width of every input, and every output axis but the first and last, free.

    Raises:
        OnnxFileError: the bytes are no ONNX model.
    """
    model = _model(data)
    axes = [axis for value in _inputs(model.graph) for axis in value.type.tensor_type.shape.dim[2:]]
    axes += [axis for value in model.graph.output for axis in value.type.tensor_type.shape.dim[1:-1]]
    for number, axis in enumerate(axis for axis in axes if axis.HasField("dim_value")):
        axis.dim_param = f"free_{number}"
    freed: bytes = model.SerializeToString()
    return freed


def _model(data: bytes) -> Any:
    """The `onnx.ModelProto`."""
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's errors have no common base across its versions
        raise OnnxFileError("not an ONNX model, or cut off") from error
    if not model.HasField("graph"):
        raise OnnxFileError("not an ONNX model")
    return model


def _inputs(graph: Any) -> Iterable[Any]:
    """The inputs that a caller gives; older files list the weights among them."""
    stored = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in stored]


def _readable(tensor: Any) -> bool:
    return tensor.data_type in _WEIGHTS and tensor.data_location != TensorProto.EXTERNAL


def _node(node: Any) -> Node:
    attributes = {entry.name: _attribute(entry) for entry in node.attribute}
    known = {name: value for name, value in attributes.items() if value is not None}
    return Node(node.op_type, tuple(node.input), tuple(node.output), known)


def _attribute(entry: Any) -> Attribute | None:
    """The value of an attribute; None for a kind that no operation here has."""
    value = onnx.helper.get_attribute_value(entry)
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, int):
        return [value]
    if isinstance(value, float):
        return value
    if isinstance(value, TensorProto):
        return numpy_helper.to_array(value) if _readable(value) else None
    return list(value) if entry.type == onnx.AttributeProto.INTS else None


def _port(value: Any) -> Port:
    axes = value.type.tensor_type.shape.dim
    return Port(value.name, tuple(axis.dim_value if axis.HasField("dim_value") else None for axis in axes))
