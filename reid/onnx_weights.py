"""ONNX files as weights: what they say of themselves, and matrices stored in half precision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from relaytrack.reid.checkpoint import INFO_KEY, WeightsInfo
from relaytrack.reid.errors import ReidError, WeightsError
from relaytrack.reid.outputs import write_whole

_SMALL = 256
"""Initializers with no more numbers than that stay as they are: scales, biases, shapes."""


def read_onnx(path: Path) -> Any:
    """The `onnx.ModelProto` of a file.

    Raises:
        WeightsError: the file is missing or is no ONNX network.
        ReidError: the `onnx` package is not installed.
    """
    onnx = _onnx()
    if not path.is_file():
        raise WeightsError(f"weights not found: {path}")
    try:
        return onnx.load(str(path), load_external_data=False)
    except Exception as error:  # protobuf's errors are no subclasses of one another across versions
        raise WeightsError(f"cannot read weights from {path}: it is no ONNX file") from error


def write_onnx(path: Path, proto: Any, info: WeightsInfo) -> Path:
    """Write a network with `info` in its metadata; other metadata stays.

    Raises:
        ReidOutputError: the file cannot be written.
    """
    onnx = _onnx()
    stored = {entry.key: entry.value for entry in proto.metadata_props} | {INFO_KEY: info.to_json()}
    onnx.helper.set_model_props(proto, stored)
    write_whole(path, proto.SerializeToString())
    return path


def onnx_info(proto: Any) -> WeightsInfo:
    """What a network says of itself; empty for foreign files."""
    for entry in proto.metadata_props:
        if entry.key == INFO_KEY:
            return WeightsInfo.from_json(entry.value)
    return WeightsInfo()


def store_half(proto: Any) -> None:
    """Store a network's matrices as float16, in place: half the size; it computes in float32 as before.

    Each large float32 initializer becomes a float16 one and a cast, which runtimes do once when they load the file.

    Raises:
        WeightsError: a value is beyond float16's range.
    """
    onnx = _onnx()
    graph = proto.graph
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or np.prod(tensor.dims) <= _SMALL:
            continue
        values = onnx.numpy_helper.to_array(tensor)
        if not (np.abs(values) < np.finfo(np.float16).max).all():
            raise WeightsError(f"{tensor.name} holds values beyond float16's range: leave out --half")
        name = tensor.name
        tensor.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(onnx.helper.make_node("Cast", [tensor.name], [name], to=onnx.TensorProto.FLOAT))
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend([*casts, *nodes])


def size_of(proto: Any) -> tuple[int, int]:
    """Numbers among a network's floating-point and 8-bit initializers, and multiplications for one image.

    Multiplications are those of convolutions and matrix products, from the shapes that `onnx` infers.
    """
    onnx = _onnx()
    kinds = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.INT8)
    shapes = {tensor.name: list(tensor.dims) for tensor in proto.graph.initializer}
    numbers = sum(int(np.prod(tensor.dims)) for tensor in proto.graph.initializer if tensor.data_type in kinds)
    for node in proto.graph.node:
        if node.op_type in ("Cast", "DequantizeLinear") and node.input[0] in shapes:
            shapes[node.output[0]] = shapes[node.input[0]]
    inferred = onnx.shape_inference.infer_shapes(proto).graph
    outputs = {
        value.name: [axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in [*inferred.value_info, *inferred.output]
    }
    products = 0
    for node in proto.graph.node:
        shape, out = shapes.get(node.input[1]) if len(node.input) > 1 else None, outputs.get(node.output[0])
        if node.op_type not in ("Conv", "MatMul", "Gemm") or not shape or not out:
            continue
        inner = int(np.prod(shape[1:])) if node.op_type == "Conv" else shape[-2]
        products += inner * int(np.prod([max(1, side) for side in out[1:]]))
    return numbers, products


def _onnx() -> Any:
    try:
        import onnx
    except ImportError as error:
        raise ReidError("reading and writing ONNX files needs the package onnx: pip install onnx") from error
    return onnx
