"""Crops to unit vectors: the same for a crop whoever else is in the batch, and errors instead of guesses."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from relaytrack.reid.backends import TorchBackend
from relaytrack.reid.checkpoint import load_model
from relaytrack.reid.device import torch_device
from relaytrack.reid.embedder import IMAGENET_MEAN, IMAGENET_STD, Embedder
from relaytrack.reid.errors import ReidError, WeightsError
from relaytrack.reid.model import ReidModel


def some_crops(count: int = 9) -> list[NDArray[np.uint8]]:
    rng = np.random.default_rng(5)
    sizes = rng.integers(8, 90, (count, 2))
    return [rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for height, width in sizes]


def test_embeddings_are_the_networks(small_weights: Path, small_model: ReidModel) -> None:
    embedder = Embedder(small_weights, device="cpu")
    assert embedder.input_size == (64, 32)
    assert embedder.dim == 32
    assert embedder.threshold == 0.61
    assert embedder.info.notice == "only for tests"
    assert embedder.device == "cpu"
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, 64, 32, 3), dtype=np.uint8)
    normalised = (images / 255 - IMAGENET_MEAN) / IMAGENET_STD
    with torch.no_grad():
        expected = small_model(torch.from_numpy(normalised).float().permute(0, 3, 1, 2)).numpy()
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    given = embedder(list(images))
    assert given.dtype == np.float32
    np.testing.assert_allclose(given, expected, rtol=0, atol=5e-5)  # a random network magnifies rounding
    np.testing.assert_allclose(np.linalg.norm(given, axis=1), 1, rtol=0, atol=1e-6)
    tensor = torch.from_numpy(images).permute(0, 3, 1, 2)
    np.testing.assert_allclose(embedder.embed(tensor.float() / 255), given, rtol=0, atol=5e-5)


def test_a_crop_does_not_depend_on_its_batch(small_weights: Path) -> None:
    embedder = Embedder(small_weights, device="cpu", threads=2)
    crops = some_crops()
    alone = np.concatenate([embedder([crop]) for crop in crops])
    for batch_size in (2, 4, 16):
        embedder.batch_size = batch_size
        np.testing.assert_array_equal(embedder(crops), alone)
    np.testing.assert_array_equal(embedder(crops[::-1])[::-1], alone)


def test_in_torch_too(small_weights: Path) -> None:
    model = load_model(small_weights)
    backend = TorchBackend(model, torch.device("cpu"))
    batch = torch.randn(5, 3, 64, 32, generator=torch.Generator().manual_seed(0))
    together = backend.run(batch)
    alone = np.concatenate([backend.run(image[None]) for image in batch])
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-5 * np.abs(alone).max())


def test_without_the_exporter_torch_computes_the_same(small_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = Embedder(small_weights, device="cpu")
    assert quick.provider == "onnxruntime-cpu"
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    plain = Embedder(small_weights, device="cpu")
    assert plain.provider == "torch-cpu"
    np.testing.assert_allclose(plain(some_crops()), quick(some_crops()), rtol=0, atol=5e-5)


def test_flip_averages_with_the_mirror_image(small_weights: Path) -> None:
    plain, both = Embedder(small_weights, device="cpu"), Embedder(small_weights, device="cpu", flip=True)
    crops = [np.ascontiguousarray(np.resize(crop, (64, 32, 3))) for crop in some_crops(3)]
    mirrored = [np.ascontiguousarray(crop[:, ::-1]) for crop in crops]
    np.testing.assert_allclose(both(crops), both(mirrored), rtol=0, atol=1e-6)
    assert np.abs(both(crops) - plain(crops)).max() > 1e-4


def test_nothing_to_embed(small_weights: Path) -> None:
    assert Embedder(small_weights, device="cpu")([]).shape == (0, 32)


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
    with pytest.raises(ReidError, match="batch_size must be at least 1, not 0"):
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


@pytest.mark.needs("shared")
def test_foreign_onnx(shared: Path) -> None:
    embedder = Embedder(shared / "models" / "osnet_x0_25_msmt17.onnx", device="cpu")
    assert (embedder.input_size, embedder.dim, embedder.threshold) == ((256, 128), 512, None)
    crops = some_crops(3)
    np.testing.assert_allclose(embedder(crops)[1], embedder(crops[1:2])[0], rtol=0, atol=1e-5)
