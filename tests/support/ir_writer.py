"""Writes ONNX networks in OpenVINO's documented form (IR 10 or 11), for the tests of its reader.

Only what Open Model Zoo's re-identification networks consist of. The pattern of nodes that makes a mean-variance
normalisation becomes the one operation that it was in OpenVINO.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

SIMPLE = {"Add": "Add", "Sub": "Subtract", "Mul": "Multiply", "Div": "Divide", "Relu": "ReLU", "Sigmoid": "Sigmoid"}


class IrWriter:
    """Makes the two files layer by layer.

    Args:
        version: 10 or 11.
        half: store constants as float16 with a Convert after each, as compressed IRs have it.
        mvn: "opset1" or "opset6".
    """

    def __init__(self, version: int = 11, *, half: bool = False, mvn: str = "opset6") -> None:
        self.net = Xml.Element("net", name="network", version=str(version))
        self.layers = Xml.SubElement(self.net, "layers")
        self.edges = Xml.SubElement(self.net, "edges")
        self.half, self.mvn = half, mvn
        self.data = bytearray()
        self.where: dict[str, tuple[int, int]] = {}
        self.count = 0

    def layer(
        self,
        kind: str,
        inputs: list[str],
        output: str | None,
        shape: tuple[int, ...] = (),
        data: dict[str, object] | None = None,
        version: str = "opset1",
    ) -> None:
        number, self.count = self.count, self.count + 1
        element = Xml.SubElement(
            self.layers, "layer", id=str(number), name=output or "result", type=kind, version=version
        )
        if data:
            Xml.SubElement(element, "data", {key: str(value) for key, value in data.items()})
        if inputs:
            ports = Xml.SubElement(element, "input")
        for port, name in enumerate(inputs):
            Xml.SubElement(ports, "port", id=str(port))
            source, source_port = self.where[name]
            ends = {"from-layer": source, "from-port": source_port, "to-layer": number, "to-port": port}
            Xml.SubElement(self.edges, "edge", {key: str(value) for key, value in ends.items()})
        if output is not None:
            port_out = Xml.SubElement(Xml.SubElement(element, "output"), "port", id=str(len(inputs)), precision="FP32")
            for side in shape:
                Xml.SubElement(port_out, "dim").text = str(side)
            self.where[output] = (number, len(inputs))

    def constant(self, name: str, values: NDArray[Any]) -> str:
        compress = self.half and values.dtype == np.float32
        stored = np.ascontiguousarray(values.astype(np.float16) if compress else values)
        kind = {"float16": "f16", "float32": "f32", "int64": "i64"}[stored.dtype.name]
        offset = len(self.data)
        self.data += stored.tobytes()
        raw = f"{name}/compressed" if compress else name
        shape = ",".join(map(str, stored.shape))
        data = {"element_type": kind, "shape": shape, "offset": offset, "size": stored.nbytes}
        self.layer("Const", [], raw, stored.shape, data)
        if compress:
            self.layer("Convert", [raw], name, stored.shape, {"destination_type": "f32"})
        return name

    def save(self, path: Path) -> Path:
        Xml.ElementTree(self.net).write(path)
        path.with_suffix(".bin").write_bytes(bytes(self.data))
        return path


def write_ir(proto: Any, path: Path, *, version: int = 11, half: bool = False, mvn: str = "opset6") -> Path:
    """Write a retail network, without the nodes that turn RelayTrack's input to BGR of 0 to 255."""
    fixed = onnx.ModelProto()
    fixed.CopyFrom(proto)
    fixed.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    inferred = onnx.shape_inference.infer_shapes(fixed, data_prop=True).graph
    shapes = {
        value.name: tuple(axis.dim_value or 1 for axis in value.type.tensor_type.shape.dim)
        for value in [*inferred.input, *inferred.value_info, *inferred.output]
    }
    known = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    to = IrWriter(version, half=half, mvn=mvn)
    to.layer("Parameter", [], "data", (1, 3, 256, 128), {"shape": "1,3,256,128", "element_type": "f32"})
    inside = {output for node in proto.graph.node for output in node.output if _inside_mvn(output)}

    def given(name: str, form: NDArray[Any] | None = None) -> str:
        if name in to.where:
            return name
        return to.constant(name, known[name] if form is None else form)

    for node in proto.graph.node:
        output, kind = node.output[0], node.op_type
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        if output in ("in_mul", "in_rgb", "data") or output in inside:
            continue
        shape = shapes[output]
        if kind == "Div" and f"{output}_sd" in inside:
            _write_mvn(to, proto, output, shape, known)
        elif kind == "Conv":
            _write_convolution(to, node, attributes, known[node.input[1]], shape, given)
        elif kind in SIMPLE:
            to.layer(SIMPLE[kind], [given(name) for name in node.input], output, shape)
        elif kind == "ReduceMean":
            inputs = [given(name) for name in node.input]
            to.layer("ReduceMean", inputs, output, shape, {"keep_dims": bool(attributes.get("keepdims", 1))})
        elif kind == "Reshape":
            target = np.array(shape, np.int64)
            inputs = [given(node.input[0]), given(node.input[1], target)]
            to.layer("Reshape", inputs, output, shape, {"special_zero": "true"})
        elif kind in ("MaxPool", "AveragePool"):
            _write_pooling(to, node, attributes, shape)
        elif kind == "Sqrt":
            to.layer("Sqrt", [given(node.input[0])], output, shape)
        elif kind == "MatMul":
            inputs = [given(node.input[0]), given(node.input[1], np.ascontiguousarray(known[node.input[1]].T))]
            to.layer("MatMul", inputs, output, shape, {"transpose_a": "false", "transpose_b": "true"})
        elif kind == "PRelu":
            to.layer("PReLU", [given(name) for name in node.input], output, shape)
        elif kind == "Gather":
            inputs = [*(given(name) for name in node.input), to.constant(f"{output}_axis", np.array(1, np.int64))]
            to.layer("Gather", inputs, output, shape, {"batch_dims": 0}, "opset7")
        elif kind == "Identity":
            to.layer("Result", [node.input[0]], None)
        else:
            raise AssertionError(kind)
    return to.save(path)


def _inside_mvn(name: str) -> bool:
    return name.startswith("MVN_") and name.rpartition("_")[2] in ("m", "c", "q", "v", "ve", "sd")


def _write_mvn(to: IrWriter, proto: Any, output: str, shape: tuple[int, ...], known: dict[str, NDArray[Any]]) -> None:
    mean = next(node for node in proto.graph.node if node.output[0] == f"{output}_m")
    eps = float(known[f"{output}_eps"].ravel()[0])
    axes = known[f"{output}_ax"]
    if to.mvn == "opset1" and axes.tolist() == list(range(2, len(shape))):
        data: dict[str, object] = {"across_channels": "false", "normalize_variance": "true", "eps": eps}
        to.layer("MVN", [mean.input[0]], output, shape, data)
        return
    inputs = [mean.input[0], to.constant(f"{output}_axes", axes)]
    data = {"normalize_variance": "true", "eps": eps, "eps_mode": "inside_sqrt"}
    to.layer("MVN", inputs, output, shape, data, "opset6")


def _write_convolution(
    to: IrWriter, node: Any, attributes: dict[str, Any], kernel: NDArray[Any], shape: tuple[int, ...], given: Any
) -> None:
    groups = attributes.get("group", 1)
    pads = attributes["pads"]
    half = len(pads) // 2
    data: dict[str, object] = {
        "strides": ",".join(map(str, attributes["strides"])),
        "dilations": ",".join(map(str, attributes["dilations"])),
        "pads_begin": ",".join(map(str, pads[:half])),
        "pads_end": ",".join(map(str, pads[half:])),
        "auto_pad": "explicit",
    }
    grouped = kernel.reshape(groups, -1, *kernel.shape[1:]) if groups > 1 else None
    weights = node.input[1] if groups == 1 else f"{node.input[1]}/grouped"
    inputs = [given(node.input[0]), given(weights, kernel if grouped is None else grouped)]
    to.layer("GroupConvolution" if groups > 1 else "Convolution", inputs, node.output[0], shape, data)


def _write_pooling(to: IrWriter, node: Any, attributes: dict[str, Any], shape: tuple[int, ...]) -> None:
    pads = attributes["pads"]
    data: dict[str, object] = {
        "kernel": ",".join(map(str, attributes["kernel_shape"])),
        "strides": ",".join(map(str, attributes["strides"])),
        "pads_begin": ",".join(map(str, pads[:2])),
        "pads_end": ",".join(map(str, pads[2:])),
        "rounding_type": "ceil" if attributes.get("ceil_mode") else "floor",
    }
    if node.op_type == "AveragePool":
        include = bool(attributes.get("count_include_pad"))
        to.layer("AvgPool", [node.input[0]], node.output[0], shape, data | {"exclude-pad": str(not include).lower()})
    else:
        to.layer("MaxPool", [node.input[0]], node.output[0], shape, data)


def small_network(folder: Path, build: Callable[[IrWriter, str], str], size: tuple[int, int] = (4, 2)) -> Path:
    """An IR of the input, what `build` makes of it, and the result; `build` returns the last output's name."""
    to = IrWriter()
    shape = (1, 3, *size)
    to.layer("Parameter", [], "data", shape, {"shape": ",".join(map(str, shape)), "element_type": "f32"})
    to.layer("Result", [build(to, "data")], None)
    return Path(to.save(folder / "small.xml"))


def flat(to: IrWriter, name: str) -> str:
    """(1, 3, 4, 2) to (1, 24)."""
    target = to.constant("flat_shape", np.array([1, 24], np.int64))
    to.layer("Reshape", [name, target], "flat", (1, 24), {"special_zero": "false"})
    return "flat"
