"""The rule by which the reference fixtures regenerate weights and inputs, and small networks to test with."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from support.crops import write_crops
from support.teaching import save_network, settle_norms, write_crop
from torch import Tensor, nn

from relaytrack.reid.checkpoint import WeightsInfo, save_model
from relaytrack.reid.model import ModelSpec, ReidModel, build_model

torch.set_num_threads(1)  # small networks: threads that wait for each other cost more than they bring


class ReferenceRule:
    """Weights and inputs of the fixtures, by the official name of each tensor."""

    @staticmethod
    def values(name: str, count: int) -> NDArray[np.float64]:
        """The hash: `count` numbers in [-1, 1) from a name."""
        mask = np.uint64(0xFFFFFFFF)
        z = np.arange(count, dtype=np.uint64) * np.uint64(0x9E3779B1) + np.uint64(zlib.crc32(name.encode()))
        z &= mask
        z ^= z >> np.uint64(16)
        z = z * np.uint64(0x85EBCA6B) & mask
        z ^= z >> np.uint64(13)
        z = z * np.uint64(0xC2B2AE35) & mask
        z ^= z >> np.uint64(16)
        return z / 2**31 - 1

    def tensor(self, name: str, shape: torch.Size, *, inner: int = 1, k: float = 1.0) -> Tensor:
        """A parameter or buffer; `inner` and `k` only matter for the relation convolutions."""
        if name.endswith("num_batches_tracked"):
            return torch.zeros((), dtype=torch.int64)
        count = int(np.prod(shape))
        v = self.values(name, count)
        made = self._matrix(name, shape, v, inner, k) if len(shape) >= 2 else self._vector(name, v)
        return torch.from_numpy(made.astype(np.float32).reshape(shape))

    @staticmethod
    def _matrix(name: str, shape: torch.Size, v: NDArray[np.float64], inner: int, k: float) -> NDArray[np.float64]:
        unit = np.sqrt(3 / np.prod(shape[1:]))
        i = np.arange(len(v))
        if name.endswith(("gg_spatial.0.weight", "gg_channel.0.weight")):
            return unit * 3.0 * k / np.sqrt(inner) * (v - v[i ^ 1])
        if name.endswith(("W_spatial.0.weight", "W_channel.0.weight")):
            return unit * 1.2 * v
        if name.endswith(("W_spatial.3.weight", "W_channel.3.weight")):
            return unit * 0.8 * (1 + 0.5 * v) * np.where(i % 2 == 0, 1, -1)
        if name in ("backbone.conv1.weight", "base.conv1.weight"):
            return unit * 0.7 * v
        return unit * (1.4 if name.endswith("downsample.0.weight") else np.sqrt(2)) * v

    @staticmethod
    def _vector(name: str, v: NDArray[np.float64]) -> NDArray[np.float64]:
        for ending, offset, factor in (
            ("running_mean", 0.0, 0.35),
            ("running_var", 1.0, 0.5),
            ("W_spatial.4.bias", 0.5, 0.1),
            ("W_channel.4.bias", 0.5, 0.1),
            ("W_spatial.1.bias", 1.2, 0.1),
            ("W_channel.1.bias", 1.2, 0.1),
            (".bias", 0.0, 0.1),
            ("bn3.weight", 0.3, 0.06),
        ):
            if name.endswith(ending):
                return offset + factor * v
        return 1 + 0.2 * v

    def module_input(self, batch: int, channels: int, height: int, width: int) -> Tensor:
        """The input of the stand-alone modules."""
        shape = (batch, channels, height, width)
        b, c, y, x = np.indices(shape)
        noise = self.values("input", int(np.prod(shape))).reshape(shape)
        wave = np.sin(0.7 * b + 0.37 * c + 4.64 * y / height + 4.24 * x / width)
        return torch.from_numpy(np.maximum(0, 0.2 + 0.6 * noise + 0.8 * wave).astype(np.float32))

    def image_input(self, batch: int, height: int, width: int) -> Tensor:
        """The input of the networks."""
        shape = (batch, 3, height, width)
        b, c, y, x = np.indices(shape)
        noise = self.values("image", int(np.prod(shape))).reshape(shape)
        wave = np.sin(0.03 * (1 + b) * y + 0.07 * x + 2 * c)
        return torch.from_numpy((0.7 * noise + 1.2 * wave).astype(np.float32))


@pytest.fixture(scope="session")
def rule() -> ReferenceRule:
    """The fixtures' rule."""
    return ReferenceRule()


def unlike_new(model: nn.Module, seed: int = 0) -> None:
    """Give every batch norm statistics and scales that a trained one could have."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.2, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
            module.weight.data.uniform_(0.5, 1.5, generator=generator)
            module.bias.data.normal_(0, 0.2, generator=generator)


@pytest.fixture(scope="session")
def settle() -> Callable[[ReidModel, Tensor], None]:
    """See `settle_norms`."""
    return settle_norms


@pytest.fixture(scope="session")
def randomise() -> Callable[[nn.Module], None]:
    """See `unlike_new`."""
    return unlike_new


SMALL = ModelSpec(
    backbone="mobilenet_v2_ibn",
    attention="rga_sc",
    attention_stages=(3, 4),
    attention_ratios=(4, 4, 4),
    height=64,
    width=32,
    embedding_dim=32,
)


@pytest.fixture(scope="session")
def small_model() -> ReidModel:
    """A network of the default's kind for 64 x 32 pixels."""
    torch.manual_seed(0)
    model = build_model(SMALL).eval()
    unlike_new(model)
    settle_norms(model, torch.randn(16, 3, SMALL.height, SMALL.width))
    return model


@pytest.fixture(scope="session")
def small_weights(small_model: ReidModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its weights in a file, with a calibrated threshold."""
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    info = WeightsInfo(name="small", dataset="none", notice="only for tests", threshold=0.61)
    return save_model(path, small_model, info)


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of a network for 32 x 32 pixels, without a threshold."""
    torch.manual_seed(0)
    spec = ModelSpec(
        backbone="mobilenet_v2", attention="rga_sc", attention_stages=(4,), height=32, width=32, embedding_dim=8
    )
    info = WeightsInfo(name="tiny", dataset="market1501", notice="for tests only")
    return save_model(tmp_path_factory.mktemp("weights") / "tiny.safetensors", build_model(spec).eval(), info)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small pictures: 8 people, each in two cameras, two pictures per camera."""
    names = [f"{number:04d}" for number in range(8)]
    return write_crops(tmp_path_factory.mktemp("people"), names, name="{person}_c{camera}s1_{shot}.png", size=(64, 32))


@pytest.fixture(scope="module")
def ten_people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten people, seen by two cameras, four times each: enough to train on and to hold some out."""
    names = [f"{number:02d}" for number in range(10)]
    return write_crops(tmp_path_factory.mktemp("people"), names, shots=4, noise=20)


@pytest.fixture(scope="session")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 crops of made-up colours."""
    root = tmp_path_factory.mktemp("crops")
    for number in range(48):
        write_crop(root / f"{number:03d}.png", number)
    return root


@pytest.fixture(scope="session")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a small network that tells crops apart."""
    return save_network(tmp_path_factory.mktemp("student") / "student.safetensors")


@pytest.fixture(scope="session")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of another size of input and of embedding, as ONNX."""
    from relaytrack.reid.export import export_onnx

    folder = tmp_path_factory.mktemp("teacher")
    weights = save_network(folder / "teacher.safetensors", 0.5, height=96, width=48, embedding_dim=24)
    export_onnx(weights, folder / "teacher.onnx")
    return folder / "teacher.onnx"
