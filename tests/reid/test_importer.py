"""Reference checkpoints become ours: every tensor in its place, everything else refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

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
