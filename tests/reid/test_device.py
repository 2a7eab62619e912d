"""Devices: what is asked for is there, or an error says so."""

from __future__ import annotations

import pytest
import torch

from relaytrack.reid.device import device_index, resolve_device
from relaytrack.reid.errors import ReidError


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
