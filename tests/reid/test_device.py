"""Devices: what is asked for is there, or an error says so."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch

from relaytrack.pipeline.config.loading import load_config
from relaytrack.pipeline.config.schema import Config
from relaytrack.reid.device import device_index, resolve_device, torch_device
from relaytrack.reid.embedder import Embedder
from relaytrack.reid.errors import ReidError
from relaytrack.reid.training.config import TrainingRunConfig
from relaytrack.reid.training.teaching import Teacher


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> int:
    count: int = request.param
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    return count


@pytest.mark.parametrize(
    ("gpus", "requested", "resolved"),
    [(0, "auto", "cpu"), (0, "cpu", "cpu"), (2, "auto", "cuda"), (2, "cpu", "cpu"), (2, "cuda:1", "cuda:1")],
    indirect=["gpus"],
)
def test_resolves(gpus: int, requested: str, resolved: str) -> None:
    assert resolve_device(requested) == resolved


@pytest.mark.parametrize(
    ("gpus", "requested", "message"),
    [
        (0, "cuda", "finds no CUDA device"),
        (0, "cuda:0", "finds no CUDA device"),
        (2, "cuda:2", "number of CUDA devices here is 2"),
        (1, "gpu", "none of auto, cpu, cuda"),
        (1, "cuda:x", "none of auto, cpu, cuda"),
    ],
    indirect=["gpus"],
)
def test_refuses_and_never_falls_back(gpus: int, requested: str, message: str) -> None:
    for key, kind in (("device", ReidError), ("run.device", KeyError)):
        with pytest.raises(kind, match=rf"{key}: .*{message}") as error:
            resolve_device(requested, key=key, error=kind)
        assert "\n" not in str(error.value)


def test_number_of_a_device() -> None:
    assert [device_index(device) for device in ("cuda", "cuda:0", "cuda:3")] == [0, 0, 3]


def test_a_device_of_pytorch_is_taken_everywhere(small_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault: `Embedder(device=torch.device("cpu"))` was refused, and so were settings with one."""
    cpu = torch.device("cpu")
    assert Embedder(small_weights, device=cpu).device == "cpu"
    assert copy.copy(Embedder(small_weights, device=cpu)).device == "cpu"
    assert Teacher([small_weights], cpu).dims == (32,)
    assert resolve_device(torch.device("cpu", 0)) == "cpu"
    run = load_config(data={"cameras": [], "run": {"device": cpu}}).run
    assert (run.device, TrainingRunConfig(device=cpu).device) == ("cpu", "cpu")  # type: ignore[arg-type]
    assert Config.model_validate({"run": {"device": torch.device("cuda", 1)}}).run.device == "cuda:1"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device(torch.device("cuda:1")) == "cuda:1"
    assert torch_device(torch.device("cuda")) == torch.device("cuda", 0)
    for wrong in (torch.device("mps"), torch.device("cuda:2")):
        with pytest.raises(ReidError, match=f"device: '{wrong}'"):
            resolve_device(wrong)
    with pytest.raises(ReidError, match=r"or a torch\.device, not 0"):
        Embedder(small_weights, device=0)  # type: ignore[arg-type]
