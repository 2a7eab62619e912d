"""What an `Embedder` is given and cannot use is named; crops and batches of every form that it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from support.crops import some_crops

from relaytrack.reid.device import torch_device
from relaytrack.reid.embedder import Embedder
from relaytrack.reid.errors import ReidError, WeightsError


@pytest.mark.parametrize(
    "crop",
    [
        np.zeros((0, 5, 3), np.uint8),
        np.zeros((5, 5), np.uint8),
        np.zeros((5, 5, 4), np.uint8),
        np.zeros((5, 5, 3), np.float32),
    ],
)
def test_wrong_crops(small_weights: Path, crop: NDArray[np.uint8]) -> None:
    with pytest.raises(ReidError, match="crop 1 is not a"):
        Embedder(small_weights, device="cpu")([np.zeros((5, 5, 3), np.uint8), crop])


def test_wrong_batch(small_weights: Path) -> None:
    with pytest.raises(ReidError, match=r"batch of shape \(2, 3, 32, 64\) instead of \(N, 3, 64, 32\)"):
        Embedder(small_weights, device="cpu").embed(torch.zeros(2, 3, 32, 64))
    with pytest.raises(ReidError, match="batch_size must be a whole number from 1 to 65536, not 0"):
        Embedder(small_weights, device="cpu", batch_size=0)


def test_no_silent_fall_back(small_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ReidError, match="device: 'cuda' asked for, but PyTorch finds no CUDA device here"):
        Embedder(small_weights, device="cuda")
    with pytest.raises(ReidError, match="device: 'tpu' is none of auto, cpu, cuda"):
        Embedder(small_weights, device="tpu")
    assert torch_device("auto") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert torch_device("auto") == torch_device("cuda") == torch.device("cuda:0")


@pytest.mark.parametrize("name", ["none.safetensors", "none.onnx"])
def test_missing_weights(tmp_path: Path, name: str) -> None:
    with pytest.raises(WeightsError, match=f"weights not found: .*{name}"):
        Embedder(tmp_path / name, device="cpu")


@pytest.mark.parametrize(
    ("crops", "says"),
    [
        (None, "list"),
        (3, "list"),
        ([None], "crop 0"),
        (["a.jpg"], "crop 0"),
        ([[[[1, 2, 3]]]], "crop 0"),
        ([torch.zeros(4, 4, 3, dtype=torch.uint8)], "crop 0"),
        ([np.zeros((4, 4, 3), np.float32)], "crop 0"),
        ([np.zeros((4, 4), np.uint8)], "crop 0"),
        ([np.zeros((4, 4, 3), np.uint8), np.zeros((0, 4, 3), np.uint8)], "crop 1"),
    ],
)
def test_what_is_no_crop_is_named(small_weights: Path, crops: Any, says: str) -> None:
    with pytest.raises(ReidError, match=says):
        Embedder(small_weights, device="cpu")(crops)


def test_crops_may_come_from_a_generator_or_lie_anyhow_in_memory(small_weights: Path) -> None:
    embedder = Embedder(small_weights, device="cpu")
    crops = some_crops()
    given = embedder(crops)
    assert embedder(iter([])).shape == (0, 32)
    np.testing.assert_array_equal(embedder(crop for crop in crops), given)
    np.testing.assert_array_equal(embedder([crop[..., ::-1].copy()[..., ::-1] for crop in crops]), given)


@pytest.mark.parametrize(
    "batch",
    [
        np.zeros((1, 3, 64, 32), np.uint8),
        torch.zeros(1, 3, 64, 32, dtype=torch.int64),
        torch.zeros(1, 3, 64, 32, dtype=torch.bool),
        torch.full((1, 3, 64, 32), 255.0),
        torch.full((1, 3, 64, 32), -1.0),
        torch.full((1, 3, 64, 32), float("nan")),
        torch.zeros(1, 3, 64, 32, device="meta"),
    ],
)
def test_a_batch_of_other_values_is_refused(small_weights: Path, batch: Any) -> None:
    with pytest.raises(ReidError, match="batch"):
        Embedder(small_weights, device="cpu").embed(batch)


def test_batches_with_gradients_or_in_half_precision_are_read(small_weights: Path) -> None:
    embedder = Embedder(small_weights, device="cpu")
    batch = torch.full((1, 3, 64, 32), 0.5)
    given = embedder.embed(batch)
    for form in (batch.clone().requires_grad_(), batch.half(), batch.bfloat16(), batch.double()):
        np.testing.assert_allclose(embedder.embed(form), given, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("argument", "values"),
    [
        ("batch_size", (0, 2.5, "8", True)),
        ("threads", (0, -1, 1.5, 10**6)),
        ("device", (None, 3)),
        ("precision", (None, "fp16")),
        ("flip", ("no", 1)),
        ("weights", (123, b"a", "a\0b")),
    ],
)
def test_an_argument_of_another_kind_is_named(argument: str, values: tuple[Any, ...]) -> None:
    for value in values:
        with pytest.raises(ReidError, match=argument):
            Embedder(**{argument: value})


def onnx_file(path: Path, *, kind: str = "FLOAT", height: int = 64, scale: float = 1.0) -> Path:
    """A network that gives the mean of each colour, times `scale`."""
    onnx = pytest.importorskip("onnx")
    make, number = onnx.helper, getattr(onnx.TensorProto, kind)
    graph = make.make_graph(
        [
            make.make_node("GlobalAveragePool", ["x"], ["a"]),
            make.make_node("Flatten", ["a"], ["b"], axis=1),
            make.make_node("Mul", ["b", "s"], ["y"]),
        ],
        "g",
        [make.make_tensor_value_info("x", number, ["n", 3, height, 32])],
        [make.make_tensor_value_info("y", number, ["n", 3])],
        [make.make_tensor("s", number, [1], [scale])],
    )
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.save(model, path)
    return path


def test_a_network_of_another_type_or_of_impossible_size_is_refused(tmp_path: Path) -> None:
    assert Embedder(onnx_file(tmp_path / "good.onnx"), device="cpu").dim == 3
    for name, changes, says in [
        ("half", {"kind": "FLOAT16"}, "float16"),
        ("none", {"height": 0}, "0 x 32"),
        ("huge", {"height": 6_400_000}, "6400000"),
    ]:
        with pytest.raises(WeightsError, match=rf"{name}\.onnx.*{says}"):
            Embedder(onnx_file(tmp_path / f"{name}.onnx", **changes), device="cpu")  # type: ignore[arg-type]


def test_a_network_that_gives_no_finite_numbers_is_an_error(tmp_path: Path) -> None:
    bad = Embedder(onnx_file(tmp_path / "bad.onnx", scale=float("nan")), device="cpu")
    with pytest.raises(ReidError, match=r"bad\.onnx.*not finite"):
        bad(some_crops(2))
