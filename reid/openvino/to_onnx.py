"""An OpenVINO network as ONNX with RelayTrack's input and any batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from relaytrack.reid.errors import ReidError, WeightsError
from relaytrack.reid.imagenet import IMAGENET_MEAN, IMAGENET_STD
from relaytrack.reid.openvino.ir import Layer, Network, read_ir
from relaytrack.reid.openvino.operations import OPERATIONS
from relaytrack.reid.openvino.writer import Writer

Colours = Literal["bgr255", "rgb255", "normalised"]
COLOURS: tuple[Colours, ...] = ("bgr255", "rgb255", "normalised")
"""What a network wants: BGR or RGB of 0 to 255, or RGB with ImageNet's mean and deviation taken out."""

INPUT, OUTPUT, OPSET = "images", "embeddings", 18


def ir_to_onnx(path: Path, *, colours: Colours = "bgr255") -> Any:
    """Read an IR as `onnx.ModelProto`: images (B, 3, H, W), RGB, ImageNet-normalised, to embeddings (B, D).

    Args:
        path: the .xml; the .bin lies beside it.
        colours: what the network wants; Open Model Zoo's want "bgr255".

    Raises:
        WeightsError: a file is missing or damaged, a layer is not supported, or the network has other inputs or
            outputs.
        ReidError: the `onnx` package is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise ReidError("reading OpenVINO networks needs the package onnx: pip install onnx") from error
    network = read_ir(path)
    begin, end = _ends(network)
    size = _input_size(begin, network)
    to = Writer()
    to.begin(INPUT, 4)
    to.state_shape(OUTPUT, 2)  # a name that is taken
    names = {(begin.number, begin.outputs[0]): _coloured(to, colours)}
    for layer in network.layers:
        if layer.kind in ("Parameter", "Result"):
            continue
        names[layer.number, layer.outputs[0]] = _written(to, layer, network, names)
    last = names[end.inputs[0]]
    if to.rank(last) > 2:  # (B, D, 1, 1)
        last = to.node("Flatten", [last], axis=1)
    to.nodes.append(onnx.helper.make_node("Identity", [last], [OUTPUT]))
    float32 = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        to.nodes,
        path.stem,
        [onnx.helper.make_tensor_value_info(INPUT, float32, ["batch", 3, *size])],
        [onnx.helper.make_tensor_value_info(OUTPUT, float32, ["batch", None])],
        to.initializers(),
    )
    proto = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=9)
    _state_dimension(proto)
    return proto


def _written(to: Writer, layer: Layer, network: Network, names: dict[tuple[int, int], str]) -> str:
    if layer.kind == "Const":
        return to.constant(network.constants[layer.number], layer.name)
    write = OPERATIONS.get(layer.kind)
    if write is None:
        raise WeightsError(
            f"{network.where}: layer {layer.name!r} of type {layer.kind} ({layer.version}) is not supported; "
            f"supported are {', '.join(sorted(OPERATIONS))}"
        )
    try:
        output = write(to, layer, [names[source] for source in layer.inputs])
    except (KeyError, IndexError, ValueError) as error:
        raise WeightsError(
            f"{network.where}: layer {layer.name!r} of type {layer.kind} is incomplete: {error!r}"
        ) from error
    except WeightsError as error:
        raise WeightsError(f"{network.where}: {error}") from error
    if layer.shapes:
        to.state_shape(output, len(layer.shapes[0]))
    return output


def _ends(network: Network) -> tuple[Layer, Layer]:
    ends = []
    for kind, what in (("Parameter", "input"), ("Result", "output")):
        found = [layer for layer in network.layers if layer.kind == kind]
        if len(found) != 1:
            raise WeightsError(f"{network.where}: {len(found)} {what}s, where a re-identification network has one")
        ends.append(found[0])
    return ends[0], ends[1]


def _input_size(begin: Layer, network: Network) -> tuple[int, int]:
    shape = begin.shapes[0] if begin.shapes else ()
    if len(shape) != 4 or shape[1] != 3 or min(shape[2:]) < 1 or shape[0] not in (1, -1):
        said = "x".join(map(str, shape)) or "nothing"
        raise WeightsError(f"{network.where}: the input is {said}, not one image of 3 x height x width")
    return shape[2], shape[3]


def _coloured(to: Writer, colours: Colours) -> str:
    """Turn RelayTrack's input to what the network wants."""
    if colours == "normalised":
        return INPUT
    scale = to.constant(np.array(IMAGENET_STD, np.float32).reshape(1, 3, 1, 1) * 255, "input_scale")
    shift = to.constant(np.array(IMAGENET_MEAN, np.float32).reshape(1, 3, 1, 1) * 255, "input_shift")
    values = to.node("Add", [to.node("Mul", [INPUT, scale]), shift])
    if colours == "rgb255":
        return values
    return to.node("Gather", [values, to.constant(np.array([2, 1, 0], np.int64), "bgr")], axis=1)


def _state_dimension(proto: Any) -> None:
    """Write the embedding's length into the output, where `onnx` can infer it."""
    import onnx

    axes = onnx.shape_inference.infer_shapes(proto).graph.output[0].type.tensor_type.shape.dim
    if len(axes) == 2 and axes[1].dim_value:
        proto.graph.output[0].type.tensor_type.shape.dim[1].dim_value = axes[1].dim_value
