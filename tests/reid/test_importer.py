"""Reference checkpoints become ours: every tensor in its place, everything else refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from relaytrack.reid.backbones.osnet import OSNet
from relaytrack.reid.checkpoint import WeightsInfo, load_info, load_model
from relaytrack.reid.errors import WeightsError
from relaytrack.reid.importer import import_checkpoint
from relaytrack.reid.model import ModelSpec, ReidModel, build_model


def reference_names(model: ReidModel) -> dict[str, Tensor]:
    """The network's tensors under the published code's names, as that code saves them."""
    renamed = {}
    for name, tensor in model.state_dict().items():
        if name.endswith("num_batches_tracked"):  # unknown to torch 0.4
            continue
        if model.spec.head == "stripes":
            name = name.replace("backbone.", "base.").replace("head.", "")
        else:
            name = name.replace("attention.stage", "backbone.rga_att")
            name = name.replace("head.neck", "feat_bn").replace("head.classifier", "cls")
        renamed[f"module.{name}"] = tensor
    return renamed


@pytest.mark.parametrize(
    "spec",
    [
        ModelSpec("resnet50", "rga_sc", height=128, width=64),
        ModelSpec("resnet50", "rga_c", height=128, width=64),
        ModelSpec("resnet50", "rga_s", height=128, width=64),
        ModelSpec("resnet50"),
        ModelSpec("resnet50", head="stripes", height=384),
    ],
    ids=["sc", "c", "s", "base", "stripes"],
)
def test_reference_checkpoint(spec: ModelSpec, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = build_model(spec, 7)
    tensors = reference_names(model)
    tensors["module.base.fc.weight" if spec.head == "stripes" else "module.backbone.fc.weight"] = torch.zeros(2)
    torch.save({"state_dict": tensors, "epoch": 600, "best_top1": 0.96}, tmp_path / "checkpoint.pth.tar")
    report = import_checkpoint(
        tmp_path / "checkpoint.pth.tar", tmp_path / "ours.safetensors", info=WeightsInfo(dataset="market1501")
    )
    assert report.spec == spec
    assert report.classes == 7
    assert load_info(report.path).dataset == "market1501"
    loaded = load_model(report.path, num_classes=7)
    torch.testing.assert_close(loaded.state_dict(), model.state_dict(), rtol=0, atol=0)


def test_incomplete_checkpoint(tmp_path: Path) -> None:
    tensors = reference_names(build_model(ModelSpec("resnet50", "rga_s", height=128, width=64)))
    del tensors["module.backbone.rga_att2.phi_spatial.0.weight"]
    torch.save({"state_dict": tensors}, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=r"a\.pth belongs to another network: it has no attention\.stage2\.phi_spat"):
        import_checkpoint(tmp_path / "a.pth", tmp_path / "b.safetensors")
    assert not (tmp_path / "b.safetensors").exists()


def test_foreign_checkpoint(tmp_path: Path) -> None:
    torch.save({"blocks.0.weight": torch.zeros(3)}, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=r"no checkpoint of a known reference network: first key blocks\.0\.weight"):
        import_checkpoint(tmp_path / "a.pth", tmp_path / "b.safetensors")


class TorchreidOsnet(torch.nn.Module):
    """OSNet as torchreid saves it: the backbone at the top, then `fc` (linear, batch norm, ReLU) and a classifier."""

    def __init__(self, width: float, classes: int = 9) -> None:
        super().__init__()
        self.body = OSNet(width)
        layers = [torch.nn.Linear(self.body.channels, 512), torch.nn.BatchNorm1d(512), torch.nn.ReLU()]
        self.fc = torch.nn.Sequential(*layers)
        self.classifier = torch.nn.Linear(512, classes)

    def forward(self, images: Tensor) -> Tensor:
        """The embedding at test time."""
        x = images
        for block in self.body.blocks():
            x = block(x)
        return self.fc(x.mean((2, 3)))  # type: ignore[no-any-return]

    def saved(self) -> dict[str, Tensor]:
        """The tensors under torchreid's names."""
        return {name.removeprefix("body."): tensor for name, tensor in self.state_dict().items()}


@pytest.mark.parametrize(("width", "name"), [(0.25, "osnet_x0_25"), (0.5, "osnet_x0_5"), (0.75, "osnet_x0_75")])
def test_osnet_of_torchreid(
    width: float, name: str, tmp_path: Path, randomise: Callable[[torch.nn.Module], None]
) -> None:
    torch.manual_seed(0)
    theirs = TorchreidOsnet(width)
    randomise(theirs)
    torch.save({"state_dict": theirs.saved(), "epoch": 60}, tmp_path / "osnet.pth.tar")
    report = import_checkpoint(tmp_path / "osnet.pth.tar", tmp_path / "ours.safetensors")
    assert (report.spec.backbone, report.spec.embedding_dim, report.spec.feature) == (name, 512, "relu")
    images = torch.randn(2, 3, 256, 128)
    ours = load_model(tmp_path / "ours.safetensors")
    expected = theirs.eval()(images)
    torch.testing.assert_close(ours(images), expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(ours.deploy()(images), expected, atol=1e-3, rtol=1e-3)
    assert float((expected == 0).float().mean()) > 0.05, "the ReLU matters"


def test_osnets_of_other_kinds_are_refused(tmp_path: Path) -> None:
    tensors = TorchreidOsnet(0.25).saved()
    for change, said in (
        ({"conv1.conv.weight": torch.zeros(20, 3, 7, 7)}, "the first convolution of this OSNet has 20 channels"),
        ({"conv2.0.IN.weight": torch.zeros(64)}, "an OSNet with instance norm"),
    ):
        torch.save(tensors | change, tmp_path / "other.pth")
        with pytest.raises(WeightsError, match=said):
            import_checkpoint(tmp_path / "other.pth", tmp_path / "ours.safetensors")
    del tensors["fc.0.weight"]
    torch.save(tensors, tmp_path / "bare.pth")
    with pytest.raises(WeightsError, match=r"this OSNet has no fc\.0\.weight"):
        import_checkpoint(tmp_path / "bare.pth", tmp_path / "ours.safetensors")
