"""Averaging checkpoints: the mean of what they hold, and only of one network's."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from support.crops import write_crops

from relaytrack.reid.averaging import average_networks, load_any
from relaytrack.reid.checkpoint import load_info, load_model, save_model
from relaytrack.reid.cli import main
from relaytrack.reid.errors import WeightsError
from relaytrack.reid.model import ModelSpec, ReidModel, build_model

SPEC = ModelSpec(backbone="osnet_x0_25", attention="rga_sc", attention_stages=(2,), height=64, width=32)


def _network(seed: int, spec: ModelSpec = SPEC) -> ReidModel:
    torch.manual_seed(seed)
    model = build_model(spec)
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm) and module.running_mean is not None:
            module.running_mean.uniform_(-0.1, 0.1)
    return model.eval()


def test_weights_and_statistics_are_the_mean() -> None:
    networks = [_network(seed) for seed in range(3)]
    made = average_networks(networks)
    for name, tensor in made.state_dict().items():
        parts = [network.state_dict()[name].double() for network in networks]
        torch.testing.assert_close(tensor.double(), sum(parts) / 3, atol=1e-6, rtol=1e-6, msg=name)
    assert not made.training
    x = torch.randn(2, 3, 64, 32)
    torch.testing.assert_close(average_networks([networks[0]] * 2)(x), networks[0](x))


def test_different_networks_are_refused() -> None:
    wide = ModelSpec(backbone="osnet_x0_25", attention="rga_sc", attention_stages=(2,), height=64, width=48)
    with pytest.raises(WeightsError, match="width is 32 and 48"):
        average_networks([_network(0), _network(0, wide)])
    with pytest.raises(ValueError, match="no network"):
        average_networks([])


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = (
        save_model(tmp_path / f"{name}.safetensors", _network(seed)) for seed, name in enumerate(("first", "second"))
    )
    out = tmp_path / "deep" / "mean.safetensors"
    assert main(["average", str(first), str(second), "--out", str(out), "--dataset", "tiny"]) == 0
    assert "mean of first.safetensors, second.safetensors" in capsys.readouterr().out
    expected = average_networks([load_any(first), load_any(second)])
    for name, tensor in load_model(out).state_dict().items():
        torch.testing.assert_close(tensor, expected.state_dict()[name], atol=1e-3, rtol=1e-3)
    info = load_info(out)
    assert (info.dataset, info.threshold) == ("tiny", None)


@pytest.mark.parametrize("name", ["missing.pt", "missing.safetensors"])
def test_a_missing_file_is_named(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["average", str(tmp_path / name), "--out", str(tmp_path / "mean.safetensors")]) == 2
    assert name in capsys.readouterr().err
    assert not (tmp_path / "mean.safetensors").exists()


def test_the_training_images_centre_and_calibrate(tmp_path: Path) -> None:
    people = tmp_path / "people"
    names = [f"{number:04d}" for number in range(1, 16)]
    write_crops(people / "train", names, name="{person}_{camera}_{shot}.jpg", shots=3, size=(64, 32), noise=9)
    source, out = tmp_path / "one.safetensors", tmp_path / "mean.safetensors"
    save_model(source, _network(0))
    argv = ["average", str(source), str(source), "--out", str(out), "--dataset", "folder", "--root", str(people)]
    assert main(argv) == 0
    plain, centred = load_model(source).state_dict(), load_model(out).state_dict()
    assert not torch.equal(plain["head.neck.running_mean"], centred["head.neck.running_mean"])
    assert load_info(out).threshold is not None
    assert load_info(out).results["calibration/same_pairs"] > 0
