"""OpenVINO networks: written in the documented form by the tests, read back to equal outputs; bad files are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from support.ir_writer import IrWriter, flat, small_network, write_ir

from relaytrack.reid.backends import OnnxBackend
from relaytrack.reid.cli import main
from relaytrack.reid.embedder import Embedder
from relaytrack.reid.onnx_weights import read_onnx
from relaytrack.reid.openvino.to_onnx import ir_to_onnx

Image = NDArray[np.float32]


@pytest.mark.needs("shared")
@pytest.mark.parametrize("form", [{"version": 10}, {"version": 11, "half": True}])
def test_a_retail_network_reads_back_to_equal_outputs(shared: Path, tmp_path: Path, form: dict[str, int]) -> None:
    source = shared / "models" / "retail_0288.onnx"
    path = write_ir(read_onnx(source), tmp_path / "retail.xml", **form)
    assert main(["import", str(path), str(tmp_path / "retail.onnx"), "--licence", "Apache-2.0"]) == 0
    images = torch.randn(3, 3, 256, 128, generator=torch.Generator().manual_seed(0))
    theirs, ours = (OnnxBackend(file, torch.device("cpu")) for file in (source, tmp_path / "retail.onnx"))
    assert (ours.input_size, ours.dim, ours.info.licence) == ((256, 128), 256, "Apache-2.0")
    expected = theirs.run(images)
    np.testing.assert_allclose(ours.run(images), expected, atol=2e-5 * float(np.abs(expected).max()))


def outputs(path: Path, images: Image, colours: str = "normalised") -> Image:
    proto = ir_to_onnx(path, colours=colours)  # type: ignore[arg-type]
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"images": images})[0])


def draw(batch: int = 2, size: tuple[int, int] = (4, 2)) -> Image:
    return np.random.default_rng(0).normal(size=(batch, 3, *size)).astype(np.float32)


def _mvn(images: Image, axes: tuple[int, ...], eps: float, inside: bool) -> Image:
    centred = images - images.mean(axes, keepdims=True)
    variance = (centred**2).mean(axes, keepdims=True)
    return np.asarray(centred / (np.sqrt(variance + eps) if inside else np.sqrt(variance) + eps))


def _rows(images: Image, outside: float) -> Image:
    """Each row with the one above and the one below."""
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (0, 0)), constant_values=outside)
    return np.stack([padded[:, :, first : first + 4] for first in range(3)])


@pytest.mark.parametrize(
    ("kind", "version", "data", "constants", "expected"),
    [
        ("Clamp", "opset1", {"min": -0.5, "max": 0.25}, [], lambda x: x.clip(-0.5, 0.25)),
        ("Elu", "opset1", {"alpha": 0.7}, [], lambda x: np.where(x > 0, x, 0.7 * (np.exp(x) - 1))),
        ("HSwish", "opset4", {}, [], lambda x: x * np.clip(x + 3, 0, 6) / 6),
        ("Swish", "opset4", {}, [], lambda x: x / (1 + np.exp(-x))),
        ("Softmax", "opset8", {"axis": 1}, [], lambda x: np.exp(x) / np.exp(x).sum(1, keepdims=True)),
        ("Power", "opset1", {}, [np.array(2, np.float32)], lambda x: x**2),
        ("Maximum", "opset1", {}, [np.array(0.1, np.float32)], lambda x: np.maximum(x, 0.1)),
        (
            "PReLU",
            "opset1",
            {},
            [np.array([0.1, 0.2, 0.3], np.float32)],
            lambda x: np.where(x > 0, x, x * np.array([0.1, 0.2, 0.3]).reshape(3, 1, 1)),
        ),
        (
            "MVN",
            "opset1",
            {"across_channels": "false", "normalize_variance": "true", "eps": 0.1},
            [],
            lambda x: _mvn(x, (2, 3), 0.1, inside=False),
        ),
        (
            "MVN",
            "opset1",
            {"across_channels": "1", "normalize_variance": "0", "eps": 0.1},
            [],
            lambda x: x - x.mean((1, 2, 3), keepdims=True),
        ),
        (
            "MVN",
            "opset6",
            {"normalize_variance": "true", "eps": 0.1, "eps_mode": "inside_sqrt"},
            [np.array([2, 3])],
            lambda x: _mvn(x, (2, 3), 0.1, inside=True),
        ),
        (
            "NormalizeL2",
            "opset1",
            {"eps": 0.5, "eps_mode": "add"},
            [np.array([1])],
            lambda x: x / np.sqrt((x**2).sum(1, keepdims=True) + 0.5),
        ),
        (
            "MaxPool",
            "opset1",
            {"kernel": "3,1", "strides": "1,1", "pads_begin": "1,0", "pads_end": "1,0", "rounding_type": "floor"},
            [],
            lambda x: _rows(x, -9).max(0),
        ),
        (
            "AvgPool",
            "opset1",
            {
                "kernel": "3,1",
                "strides": "1,1",
                "pads_begin": "1,0",
                "pads_end": "1,0",
                "exclude-pad": "true",
                "rounding_type": "floor",
            },
            [],
            lambda x: _rows(x, 0).sum(0) / np.array([2, 3, 3, 2]).reshape(4, 1),
        ),
        ("Convert", "opset1", {"destination_type": "f16"}, [], lambda x: x),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_operations(
    tmp_path: Path,
    kind: str,
    version: str,
    data: dict[str, object],
    constants: list[NDArray[np.float32]],
    expected: Callable[[Image], Image],
) -> None:
    def build(to: IrWriter, name: str) -> str:
        inputs = [name, *(to.constant(f"c{index}", values) for index, values in enumerate(constants))]
        to.layer(kind, inputs, "out", (1, 3, 4, 2), data, version)
        return flat(to, "out")

    images = draw()
    found = outputs(small_network(tmp_path, build), images)
    np.testing.assert_allclose(found, expected(images).reshape(2, 24), atol=1e-5)


def test_reshaping_operations(tmp_path: Path) -> None:
    def build(to: IrWriter, name: str) -> str:
        mean = to.constant("axes", np.array([2, 3], np.int64))
        to.layer("ReduceMean", [name, mean], "pooled", (1, 3, 1, 1), {"keep_dims": "true"})
        to.layer("Squeeze", ["pooled", mean], "narrow", (1, 3))
        to.layer("Unsqueeze", ["narrow", to.constant("last", np.array([2]))], "wide", (1, 3, 1))
        order = to.constant("order", np.array([0, 2, 1]))
        to.layer("Transpose", ["wide", order], "turned", (1, 1, 3))
        weights = to.constant("weights", np.arange(6, dtype=np.float32).reshape(2, 3))
        turned = {"transpose_a": "false", "transpose_b": "true"}
        to.layer("MatMul", ["turned", weights], "product", (1, 1, 2), turned)
        to.layer("Squeeze", ["product", to.constant("one", np.array([1]))], "out", (1, 2))
        to.layer("Concat", ["out", "narrow"], "both", (1, 5), {"axis": 1})
        return "both"

    images = draw()
    pooled = images.mean((2, 3))
    expected = np.concatenate((pooled @ np.arange(6).reshape(2, 3).T, pooled), 1)
    np.testing.assert_allclose(outputs(small_network(tmp_path, build), images), expected, atol=1e-5)


@pytest.mark.parametrize("colours", ["bgr255", "rgb255", "normalised"])
def test_the_input_is_what_the_network_wants(tmp_path: Path, colours: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 2)).astype(np.float32)
    mean = np.array((0.485, 0.456, 0.406), np.float32).reshape(1, 3, 1, 1) * 255
    std = np.array((0.229, 0.224, 0.225), np.float32).reshape(1, 3, 1, 1) * 255
    images = (pixels - mean) / std
    found = outputs(small_network(tmp_path, flat), images, colours)
    expected = {"bgr255": pixels[:, ::-1], "rgb255": pixels, "normalised": images}[colours]
    np.testing.assert_allclose(found, expected.reshape(2, 24), rtol=1e-5, atol=1e-3)


def test_a_small_network_through_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = small_network(tmp_path, flat)
    assert main(["import", str(path), str(tmp_path / "out.onnx"), "--name", "own"]) == 0
    assert "4 x 2, 24 numbers" in capsys.readouterr().out
    assert Embedder(tmp_path / "out.onnx", "cpu").info.name == "own"
