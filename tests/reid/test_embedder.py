"""Crops to unit vectors: the same for a crop whoever else is in the batch, and errors instead of guesses."""

from __future__ import annotations

import copy
import importlib.util
import pickle
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from support.crops import some_crops

from relaytrack.reid.backends import TorchBackend
from relaytrack.reid.checkpoint import load_model
from relaytrack.reid.embedder import Embedder
from relaytrack.reid.imagenet import IMAGENET_MEAN, IMAGENET_STD
from relaytrack.reid.model import ReidModel


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


def test_warming_up_runs_one_full_batch(small_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = Embedder(small_weights, device="cpu", batch_size=5)
    sizes: list[int] = []
    run = embedder._backend.run
    monkeypatch.setattr(embedder._backend, "run", lambda images: (sizes.append(len(images)), run(images))[1])
    embedder.warm_up()
    assert sizes == [5]


_BATCHES = """
import sys
import torch
from relaytrack.reid.embedder import Embedder
def held():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS")) / 1024
embedder = Embedder(sys.argv[1], device="cpu", batch_size=512, threads=1)
def embed(size):
    embedder.embed(torch.zeros((size, 3, *embedder.input_size), dtype=torch.uint8))
embed(1)
least = held()
embedder.warm_up()
full = held()
for size in (300, 512, 100, 450, 512, 37, 300, 450, 200, 512, 1, 512):
    embed(size)
print(full - least, held() - full)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.skipif(not importlib.util.find_spec("onnx"), reason="without onnx the network runs in torch")
def test_no_size_of_batch_takes_more_memory_than_the_largest_one(small_weights: Path) -> None:
    """Fault: onnxruntime laid memory out anew for each size of batch, in whole pieces; a live run grew for hours."""
    words = [sys.executable, "-c", _BATCHES, str(small_weights)]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    taken, later = (float(word) for word in said.split())
    assert taken > 50, "the largest batch is to be seen"
    assert later < 0.25 * taken


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


@pytest.mark.needs("shared")
def test_foreign_onnx(shared: Path) -> None:
    embedder = Embedder(shared / "models" / "osnet_x0_25_msmt17.onnx", device="cpu")
    assert (embedder.input_size, embedder.dim, embedder.threshold) == ((256, 128), 512, None)
    crops = some_crops(3)
    np.testing.assert_allclose(embedder(crops)[1], embedder(crops[1:2])[0], rtol=0, atol=1e-5)


def test_copies_and_pickles_give_the_same(small_weights: Path) -> None:
    embedder = Embedder(small_weights, device="cpu", batch_size=3, flip=True, threads=1)
    given = embedder(some_crops())
    for other in (copy.deepcopy(embedder), pickle.loads(pickle.dumps(embedder))):
        assert (other.batch_size, other.flip, other.weights) == (3, True, embedder.weights)
        np.testing.assert_array_equal(other(some_crops()), given)


def test_memory_goes_with_the_batch_and_not_with_the_crops(small_weights: Path) -> None:
    embedder = Embedder(small_weights, device="cpu", batch_size=8)
    crop = np.zeros((8, 4, 3), np.uint8)
    embedder([crop])
    tracemalloc.start()
    try:
        embedder([crop] * 2000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4e6  # all of them resized would be 12 MB


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted in /proc")
def test_a_batch_of_crops_starts_no_threads_besides_the_networks(small_weights: Path) -> None:
    program = (
        "import os, sys, numpy, torch\n"
        "from relaytrack.reid.embedder import Embedder\n"
        "torch.set_num_threads(4)\n"
        "embedder = Embedder(sys.argv[1], device='cpu', threads=1)\n"
        "crops = torch.from_numpy(numpy.ones((64, 3, 64, 32), numpy.float32))\n"  # torch would divide so many
        "before = len(os.listdir('/proc/self/task'))\n"
        "embedder.embed(crops)\n"
        "print(len(os.listdir('/proc/self/task')) - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(small_weights)], capture_output=True, text=True)
    assert done.stdout.strip() == "0", done.stderr
