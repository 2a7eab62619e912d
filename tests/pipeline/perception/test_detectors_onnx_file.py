"""What is read of an ONNX file, and the PyTorch executor operation by operation."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from relaytrack.pipeline.perception.detectors.nanodet import bundled_weights
from relaytrack.pipeline.perception.detectors.onnx_file import OnnxFileError, free_spatial_size, read_model
from relaytrack.pipeline.perception.detectors.onnx_torch import OnnxModule


def test_reads_the_bundled_network() -> None:
    data = bundled_weights().read_bytes()
    ours, theirs = read_model(data), onnx.load_model_from_string(data).graph
    assert [(node.op, list(node.inputs), list(node.outputs)) for node in ours.nodes] == [
        (node.op_type, list(node.input), list(node.output)) for node in theirs.node
    ]
    assert set(ours.weights) == {tensor.name for tensor in theirs.initializer}
    convolution = next(node for node in ours.nodes if node.op == "Conv")
    assert convolution.attributes["strides"] == [2, 2]
    assert convolution.attributes["group"] == [1]
    assert [port.sizes for port in ours.inputs] == [(None, 3, 416, 416)]
    assert [port.name for port in ours.outputs] == [port.name for port in theirs.output]


def test_leaves_out_weights_that_lie_in_another_file(tmp_path: Path) -> None:
    """A file of somebody else's must not make us read a file that it names."""
    (tmp_path / "secret").write_bytes(bytes(8))
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=str(tmp_path / "secret"))
    graph = helper.make_graph([], "g", [], [], [tensor])
    assert read_model(helper.make_model(graph).SerializeToString()).weights == {}


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int64, np.int32, np.uint8, np.float64])
def test_reads_weights_however_they_are_stored(dtype: Any, raw: bool) -> None:
    values = np.array([[1, 2, 3], [250, 0, 5]]).astype(dtype)
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    stored: Any = values.tobytes() if raw else values.ravel()
    tensor = helper.make_tensor("w", kind, values.shape, stored, raw=raw)
    graph = helper.make_graph([], "g", [], [], [tensor])
    read = read_model(helper.make_model(graph).SerializeToString()).weights["w"]
    assert read.dtype == values.dtype
    np.testing.assert_array_equal(read, values)


def test_a_freed_model_is_valid_and_takes_other_sizes() -> None:
    data = bundled_weights().read_bytes()
    freed = free_spatial_size(data)
    onnx.checker.check_model(onnx.load_model_from_string(freed))
    assert read_model(freed).inputs[0].sizes == (None, 3, None, None)
    session = onnxruntime.InferenceSession(freed, providers=["CPUExecutionProvider"])
    outputs = session.run(None, {session.get_inputs()[0].name: np.zeros((1, 3, 64, 96), np.float32)})
    assert sorted({output.shape[1] for output in outputs}) == [6, 24, 96]


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_model_or_an_error(data: bytes) -> None:
    with contextlib.suppress(OnnxFileError):
        assert read_model(data).nodes is not None


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_model_is_a_model_or_an_error(data: st.DataObject) -> None:
    model = bytearray(small_model([helper.make_node("Sigmoid", ["x"], ["y"])]))
    for _ in range(3):
        model[data.draw(st.integers(0, len(model) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(OnnxFileError):
        assert read_model(bytes(model[: data.draw(st.integers(0, len(model)))])).nodes is not None


def small_model(nodes: list[Any], weights: dict[str, np.ndarray[Any, Any]] | None = None, outputs: int = 1) -> bytes:
    tensors = [numpy_helper.from_array(value, name) for name, value in (weights or {}).items()]
    ports = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 4, 9, 12])]
    names = ["y", "z"][:outputs]
    results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names]
    graph = helper.make_graph(nodes, "small", ports, results, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    return bytes(model.SerializeToString())


def conv_weights(groups: int = 1) -> dict[str, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(0)
    return {
        "w": rng.normal(size=(6, 4 // groups, 3, 3)).astype(np.float32),
        "b": rng.normal(size=6).astype(np.float32),
    }


SCALES = {"roi": np.zeros(0, np.float32)}
RESIZE = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
CASES: dict[str, tuple[list[Any], dict[str, Any], int]] = {
    "conv": (
        [helper.make_node("Conv", ["x", "w", "b"], ["y"], strides=[2, 1], pads=[1, 1, 1, 1], dilations=[1, 2])],
        conv_weights(),
        1,
    ),
    "conv padded on one side": ([helper.make_node("Conv", ["x", "w"], ["y"], pads=[0, 1, 2, 0])], conv_weights(), 1),
    "grouped conv": ([helper.make_node("Conv", ["x", "w", "b"], ["y"], group=2)], conv_weights(2), 1),
    "max pool": (
        [helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[3, 2], strides=[2, 2], pads=[0, 0, 1, 1])],
        {},
        1,
    ),
    "leaky": ([helper.make_node("LeakyRelu", ["x"], ["y"], alpha=0.1)], {}, 1),
    "pad": ([helper.make_node("Pad", ["x", "p"], ["y"])], {"p": np.array([0, 0, 1, 2, 0, 0, 3, 0])}, 1),
    "resize up": (
        [helper.make_node("Resize", ["x", "roi", "s"], ["y"], **RESIZE)],
        SCALES | {"s": np.array([1, 1, 2, 2], np.float32)},
        1,
    ),
    "resize down": (
        [helper.make_node("Resize", ["x", "roi", "s"], ["y"], **RESIZE)],
        SCALES | {"s": np.array([1, 1, 0.5, 0.5], np.float32)},
        1,
    ),
    "split, add, concat": (
        [
            helper.make_node("Split", ["x", "n"], ["a", "c"], axis=1),
            helper.make_node("Add", ["a", "k"], ["d"]),
            helper.make_node("Concat", ["d", "c"], ["y"], axis=1),
            helper.make_node("Sigmoid", ["c"], ["z"]),
        ],
        {"n": np.array([1, 3]), "k": np.full((1, 1, 1, 1), 2, np.float32)},
        2,
    ),
    "reshape, transpose": (
        [
            helper.make_node("Reshape", ["x", "n"], ["a"]),
            helper.make_node("Transpose", ["a"], ["y"], perm=[0, 2, 1]),
        ],
        {"n": np.array([0, 4, -1])},
        1,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_each_operation_equals_onnxruntime(name: str) -> None:
    nodes, weights, outputs = CASES[name]
    data = small_model(nodes, weights, outputs)
    image = np.random.default_rng(1).normal(size=(2, 4, 9, 12)).astype(np.float32)
    expected = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"]).run(None, {"x": image})
    with torch.no_grad():
        results = OnnxModule(read_model(data))(torch.from_numpy(image))
    assert len(results) == len(expected) == outputs
    for ours, theirs in zip(results, expected, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-5)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (helper.make_node("Softplus", ["x"], ["y"]), "Softplus"),
        (helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2], ceil_mode=1), "ceil_mode"),
        (helper.make_node("Conv", ["x", "w"], ["y"], auto_pad="SAME_UPPER"), "auto_pad"),
        (helper.make_node("Add", ["x", "gone"], ["y"]), "gone"),
    ],
)
def test_what_is_not_known_is_refused(node: Any, message: str) -> None:
    with pytest.raises(OnnxFileError, match=message):
        OnnxModule(read_model(small_model([node], conv_weights())))
