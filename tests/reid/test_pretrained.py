"""ImageNet weights find their places by name, or by order with every shape checked."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from relaytrack.reid.backbones.factory import create_backbone
from relaytrack.reid.backbones.pretrained import load_imagenet
from relaytrack.reid.errors import WeightsError


@pytest.mark.parametrize("backbone", ["mobilenet_v2", "resnet50"])
def test_by_name(backbone: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    source, target = create_backbone(backbone), create_backbone(backbone, last_stride=2)
    torch.save({**source.state_dict(), "fc.weight": torch.zeros(1000, 3)}, tmp_path / "w.pth")
    load_imagenet(target, tmp_path / "w.pth")
    torch.testing.assert_close(target.state_dict(), source.state_dict(), rtol=0, atol=0)


def test_by_order(tmp_path: Path) -> None:
    source, target = create_backbone("mobilenet_v2"), create_backbone("mobilenet_v2")
    other = {f"net.{number}": tensor for number, tensor in enumerate(source.state_dict().values()) if tensor.ndim}
    torch.save(other, tmp_path / "w.pt")
    load_imagenet(target, tmp_path / "w.pt")
    torch.testing.assert_close(target.state_dict(), source.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize("backbone", ["mobilenet_v2", "resnet50"])
def test_instance_norms_take_their_half(backbone: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    plain = create_backbone(backbone)
    for tensor in plain.state_dict().values():
        if tensor.is_floating_point():
            tensor.uniform_(0.5, 1.5)
    split = create_backbone({"resnet50": "resnet50_ibn_a"}.get(backbone, f"{backbone}_ibn"))
    torch.save(plain.state_dict(), tmp_path / "w.pth")
    load_imagenet(split, tmp_path / "w.pth")
    ours, theirs = split.state_dict(), plain.state_dict()
    halves = [name.removesuffix(".IN.weight") for name in ours if name.endswith(".IN.weight")]
    assert halves
    for name in halves:
        for leaf in ("weight", "bias"):
            joined = torch.cat((ours[f"{name}.IN.{leaf}"], ours[f"{name}.BN.{leaf}"]))
            assert torch.equal(joined, theirs[f"{name}.{leaf}"])
        mean = ours[f"{name}.BN.running_mean"]
        assert torch.equal(mean, theirs[f"{name}.running_mean"][-len(mean) :])
    assert torch.equal(ours[next(iter(ours))], theirs[next(iter(theirs))])


def test_weights_of_another_backbone(tmp_path: Path) -> None:
    torch.save(create_backbone("osnet_x0_25").state_dict(), tmp_path / "osnet.pth")
    with pytest.raises(WeightsError, match=r"osnet\.pth is not for this backbone: .* no features\.0\.0\.weight"):
        load_imagenet(create_backbone("mobilenet_v2"), tmp_path / "osnet.pth")
    wrong = create_backbone("mobilenet_v2").state_dict()
    wrong["features.18.0.weight"] = torch.zeros(640, 320, 1, 1)
    torch.save(wrong, tmp_path / "narrow.pth")
    with pytest.raises(WeightsError, match=r"features\.18\.0\.weight is \(640, 320, 1, 1\) instead of \(1280, 320"):
        load_imagenet(create_backbone("mobilenet_v2"), tmp_path / "narrow.pth")
