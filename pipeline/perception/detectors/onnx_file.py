"""Reads ONNX files without the onnx package: nodes, weights, and shapes that can be made free.

An ONNX file is a protocol buffer message (https://protobuf.dev/programming-guides/encoding), its fields numbered
by onnx.proto. Only what a plain convolutional network needs is read.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Span = tuple[int, int]
Value = int | Span
Attribute = float | str | list[int] | NDArray[np.generic]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_TENSOR_TYPES = {
    number: np.dtype(code)
    for number, code in {1: "<f4", 2: "u1", 3: "i1", 6: "<i4", 7: "<i8", 9: "?", 10: "<f2", 11: "<f8"}.items()
}


class OnnxFileError(ValueError):
    """The bytes are no ONNX model, or one that uses what this reader does not know."""


@dataclass(frozen=True, slots=True)
class Dimension:
    """One axis of an input or output: its size (None where it is free) and the place of its message."""

    size: int | None
    span: Span


@dataclass(frozen=True, slots=True)
class Port:
    """A named input or output of the graph."""

    name: str
    shape: tuple[Dimension, ...]

    @property
    def sizes(self) -> tuple[int | None, ...]:
        """Size of each axis, None where it is free."""
        return tuple(axis.size for axis in self.shape)


@dataclass(frozen=True, slots=True)
class Node:
    """One operation of the graph."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Attribute] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OnnxModel:
    """A graph: its nodes in an order in which they can run, its weights by name, its inputs and outputs.

    Weights of unusual types, or kept in another file, are left out.
    """

    nodes: tuple[Node, ...]
    weights: dict[str, NDArray[np.generic]]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]


def read_model(data: bytes) -> OnnxModel:
    """Parse the bytes of an ONNX file.

    Raises:
        OnnxFileError: they are no such file, it is cut off, or its weights lie outside of it.
    """
    try:
        graphs = [value for number, value in _fields(data, (0, len(data))) if number == 7]
        if len(graphs) != 1:
            raise OnnxFileError("not an ONNX model")
        return _graph(data, _span(graphs[0]))
    except OnnxFileError:
        raise
    except (IndexError, struct.error, KeyError, TypeError, ValueError, OverflowError) as error:
        raise OnnxFileError("not an ONNX model, or cut off") from error


def free_spatial_size(data: bytes) -> bytes:
    """Make the height and width of every input, and every output axis but the first and last, free.

    Each size is replaced by a name of as many bytes, so that no length around it changes.

    Raises:
        OnnxFileError: the bytes are no ONNX model.
    """
    model = read_model(data)
    changed = bytearray(data)
    spans = [axis.span for port in model.inputs for axis in port.shape[2:] if axis.size is not None]
    spans += [axis.span for port in model.outputs for axis in port.shape[1:-1] if axis.size is not None]
    for number, (start, end) in enumerate(spans):
        name = f"{number:x}".rjust(end - start - 2, "n")[: end - start - 2].encode()
        changed[start:end] = bytes([2 << 3 | _BYTES, len(name)]) + name
    return bytes(changed)


def _fields(data: bytes, span: Span) -> Iterator[tuple[int, Value]]:
    """Yield (field number, value) of one message: an integer, or the span of bytes of anything longer."""
    at, end = span
    while at < end:
        key, at = _varint(data, at)
        kind = key & 7
        if kind == _VARINT:
            number, at = _varint(data, at)
            yield key >> 3, number
            continue
        if kind == _BYTES:
            length, at = _varint(data, at)
        elif kind in (_FIXED32, _FIXED64):
            length = 4 if kind == _FIXED32 else 8
        else:
            raise OnnxFileError("not an ONNX model")
        if at + length > end:
            raise OnnxFileError("not an ONNX model, or cut off")
        yield key >> 3, (at, at + length)
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Read one variable-length integer; return it and the place after it."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value - (1 << 64) if value >> 63 else value, at
        shift += 7
        if shift > 63:
            raise OnnxFileError("not an ONNX model")


def _span(value: Value) -> Span:
    if isinstance(value, int):
        raise OnnxFileError("not an ONNX model")
    return value


def _text(data: bytes, value: Value) -> str:
    start, end = _span(value)
    return data[start:end].decode()


def _integers(data: bytes, value: Value) -> list[int]:
    """Read a repeated integer field, packed or not."""
    if isinstance(value, int):
        return [value]
    at, end = value
    found = []
    while at < end:
        number, at = _varint(data, at)
        found.append(number)
    return found


def _graph(data: bytes, span: Span) -> OnnxModel:
    nodes: list[Node] = []
    weights: dict[str, NDArray[np.generic]] = {}
    inputs: list[Port] = []
    outputs: list[Port] = []
    for number, value in _fields(data, span):
        if number == 1:
            nodes.append(_node(data, _span(value)))
        elif number == 5:
            name, tensor = _tensor(data, _span(value))
            if tensor is not None:
                weights[name] = tensor
        elif number == 11:
            inputs.append(_port(data, _span(value)))
        elif number == 12:
            outputs.append(_port(data, _span(value)))
    return OnnxModel(tuple(nodes), weights, tuple(port for port in inputs if port.name not in weights), tuple(outputs))


def _node(data: bytes, span: Span) -> Node:
    inputs, outputs, op = [], [], ""
    attributes: dict[str, Attribute] = {}
    for number, value in _fields(data, span):
        if number == 1:
            inputs.append(_text(data, value))
        elif number == 2:
            outputs.append(_text(data, value))
        elif number == 4:
            op = _text(data, value)
        elif number == 5:
            name, attribute = _attribute(data, _span(value))
            attributes[name] = attribute
    return Node(op, tuple(inputs), tuple(outputs), attributes)


def _attribute(data: bytes, span: Span) -> tuple[str, Attribute]:
    """Read one attribute; a single integer becomes a list of one."""
    name = ""
    found: Attribute | None = None
    numbers: list[int] = []
    for number, value in _fields(data, span):
        if number == 1:
            name = _text(data, value)
        elif number == 2:
            found = float(struct.unpack_from("<f", data, _span(value)[0])[0])
        elif number == 4:
            found = _text(data, value)
        elif number == 5:
            found = _tensor(data, _span(value))[1]
        elif number in (3, 8):
            numbers += _integers(data, value)
    return name, numbers if found is None else found


def _tensor(data: bytes, span: Span) -> tuple[str, NDArray[np.generic] | None]:
    """Read one array; None stands for an unusual type, or values that lie in another file."""
    name, kind = "", 0
    shape: list[int] = []
    raw: Span | None = None
    floats, integers = b"", []
    for number, value in _fields(data, span):
        if number == 1:
            shape += _integers(data, value)
        elif number == 2 and isinstance(value, int):
            kind = value
        elif number == 4:
            start, end = _span(value)
            floats += data[start:end]
        elif number in (5, 7):
            integers += _integers(data, value)
        elif number == 8:
            name = _text(data, value)
        elif number in (9, 10):  # bytes of any type; doubles
            raw = _span(value)
        elif number == 13:
            kind = 0
    if kind not in _TENSOR_TYPES:
        return name, None
    dtype = _TENSOR_TYPES[kind]
    if raw is not None:
        values: NDArray[np.generic] = np.frombuffer(data[raw[0] : raw[1]], dtype)
    elif floats:
        values = np.frombuffer(floats, "<f4").astype(dtype)
    elif kind == 10:
        values = np.array(integers, np.uint16).view(dtype)
    else:
        values = np.array(integers, dtype)
    if values.size != int(np.prod(shape, dtype=np.int64)):
        raise OnnxFileError("not an ONNX model, or cut off")
    return name, values.reshape(shape)


def _port(data: bytes, span: Span) -> Port:
    """Read a ValueInfoProto: name, and of a tensor's type the shape."""
    name = ""
    axes: list[Dimension] = []
    for number, value in _fields(data, span):
        if number == 1:
            name = _text(data, value)
        elif number == 2:
            for shape in _inside(data, _span(value), 1, 2):
                for dimension in _inside(data, shape, 1):
                    sizes = [size for key, size in _fields(data, dimension) if key == 1]
                    axes.append(Dimension(sizes[0] if sizes and isinstance(sizes[0], int) else None, dimension))
    return Port(name, tuple(axes))


def _inside(data: bytes, span: Span, *path: int) -> Iterator[Span]:
    """Yield the spans of the messages at a path of field numbers."""
    for number, value in _fields(data, span):
        if number == path[0]:
            if len(path) == 1:
                yield _span(value)
            else:
                yield from _inside(data, _span(value), *path[1:])
