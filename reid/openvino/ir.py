"""The two files of an IR as layers, their connections and their constants.

Layout: OpenVINO's documentation, "OpenVINO IR format" and "Operation sets". The XML is parsed without document types
and entities, so a file cannot make the parser read others or grow without end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, parse
from numpy.typing import NDArray

from relaytrack.reid.errors import WeightsError

VERSIONS = ("10", "11")
TYPES = {
    "f32": np.float32,
    "f16": np.float16,
    "f64": np.float64,
    "i64": np.int64,
    "i32": np.int32,
    "i16": np.int16,
    "i8": np.int8,
    "u8": np.uint8,
    "boolean": np.bool_,
}
MAX_XML_MIB = 256

Source = tuple[int, int]
"""A layer's number and its output port."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer.

    Attributes:
        number: its id in the file.
        name: what the file calls it, for messages.
        kind: its type, such as "Convolution".
        version: the operation set that the type is of, such as "opset1".
        data: its attributes.
        inputs: where each input comes from, in the order of the ports.
        outputs: the numbers of its output ports, in order.
        shapes: of each output port the dimensions, as the file states them (-1: any).
    """

    number: int
    name: str
    kind: str
    version: str
    data: Mapping[str, str]
    inputs: tuple[Source, ...]
    outputs: tuple[int, ...]
    shapes: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Network:
    """A network as its files hold it.

    Attributes:
        layers: in an order in which each comes after its inputs.
        constants: the values of the layers of type Const, by number.
        where: the .xml, for messages.
    """

    layers: tuple[Layer, ...]
    constants: Mapping[int, NDArray[Any]]
    where: Path


def read_ir(path: Path) -> Network:
    """Read an .xml and the .bin of the same name beside it.

    Raises:
        WeightsError: a file is missing, is no IR of version 10 or 11, or its parts do not fit together.
    """
    weights = path.with_suffix(".bin")
    if not path.is_file():
        raise WeightsError(f"weights not found: {path}")
    if not weights.is_file():
        raise WeightsError(
            f"{path}: {weights.name} is not in the same folder (an OpenVINO network is two files, .xml and .bin)"
        )
    if path.stat().st_size > MAX_XML_MIB * 2**20:
        raise WeightsError(f"{path}: more than {MAX_XML_MIB} MiB of XML")
    try:
        root = parse(str(path), forbid_dtd=True).getroot()
    except DefusedXmlException as error:
        raise WeightsError(f"{path}: document types and entities are not read ({type(error).__name__})") from error
    except (ParseError, OSError, ValueError) as error:
        raise WeightsError(f"{path} is no OpenVINO network: {error}") from error
    if root is None:
        raise WeightsError(f"{path} is no OpenVINO network: it is empty")
    version = root.get("version", "?")
    if root.tag != "net" or root.find("layers") is None:
        raise WeightsError(f"{path} is no OpenVINO network: its XML is <{root.tag}>, not <net> with <layers>")
    if version not in VERSIONS:
        raise WeightsError(f"{path}: IR version {version}; only {' and '.join(VERSIONS)} are read")
    try:
        layers = _sorted(_layers(root), path)
        return Network(layers, _constants(layers, weights), path)
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path} is no complete OpenVINO network: {error!r}") from error


def _layers(root: Any) -> list[Layer]:
    into: dict[tuple[int, int], Source] = {}
    for edge in root.iterfind("edges/edge"):
        ends = {name: int(edge.attrib[name]) for name in ("from-layer", "from-port", "to-layer", "to-port")}
        into[ends["to-layer"], ends["to-port"]] = (ends["from-layer"], ends["from-port"])
    made = []
    for layer in root.iterfind("layers/layer"):
        number = int(layer.attrib["id"])
        data = layer.find("data")
        outputs = layer.findall("output/port")
        made.append(
            Layer(
                number,
                layer.get("name", str(number)),
                layer.attrib["type"],
                layer.get("version", ""),
                {} if data is None else dict(data.attrib),
                tuple(into[number, int(port.attrib["id"])] for port in layer.iterfind("input/port")),
                tuple(int(port.attrib["id"]) for port in outputs),
                tuple(tuple(int(side.text or "") for side in port.iterfind("dim")) for port in outputs),
            )
        )
    return made


def _sorted(layers: list[Layer], path: Path) -> tuple[Layer, ...]:
    """Every layer after those that it needs.

    Raises:
        WeightsError: two layers have one number, an input comes from nowhere, or layers wait for each other.
    """
    waiting = {layer.number: layer for layer in layers}
    if len(waiting) < len(layers):
        raise WeightsError(f"{path}: two layers have the same id")
    done: dict[int, Layer] = {}
    while waiting:
        ready = [layer for layer in waiting.values() if all(source in done for source, _ in layer.inputs)]
        if not ready:
            stuck = next(iter(waiting.values()))
            raise WeightsError(f"{path}: the inputs of layer {stuck.name!r} do not exist, or depend on its own output")
        for layer in ready:
            if any(port not in done[source].outputs for source, port in layer.inputs):
                raise WeightsError(f"{path}: layer {layer.name!r} takes an output that its input layer does not have")
            done[layer.number] = waiting.pop(layer.number)
    return tuple(done.values())


def _constants(layers: tuple[Layer, ...], weights: Path) -> dict[int, NDArray[Any]]:
    """Raises WeightsError where a constant lies outside the .bin or has another size than its shape."""
    try:
        data = weights.read_bytes()
    except OSError as error:
        raise WeightsError(f"cannot read weights from {weights}: {error.strerror}") from error
    found: dict[int, NDArray[Any]] = {}
    for layer in layers:
        if layer.kind != "Const":
            continue
        kind = layer.data["element_type"]
        if kind not in TYPES:
            raise WeightsError(f"{weights}: constant {layer.name!r} is of type {kind}, which is not read")
        shape = tuple(int(side) for side in layer.data.get("shape", "").split(",") if side.strip())
        start, size = int(layer.data["offset"]), int(layer.data["size"])
        count = int(np.prod(shape, dtype=np.int64))
        if start < 0 or count < 0 or start + size > len(data):
            raise WeightsError(
                f"{weights}: constant {layer.name!r} lies beyond the end of the file: it is cut off, or "
                "belongs to another network"
            )
        if size != count * np.dtype(TYPES[kind]).itemsize:
            raise WeightsError(f"{weights}: constant {layer.name!r}: {size} bytes do not fit its shape {shape}")
        found[layer.number] = np.frombuffer(data, TYPES[kind], count, start).reshape(shape)
    return found
