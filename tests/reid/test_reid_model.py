"""The networks: reference numbers, every backbone with every attention, deployment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from relaytrack.reid.attention.factory import KINDS
from relaytrack.reid.backbones.factory import NAMES, create_backbone
from relaytrack.reid.errors import ReidError
from relaytrack.reid.heads import BNNeckHead, GeneralizedMeanPooling
from relaytrack.reid.model import PRESETS, ModelSpec, build_model

RELATION_SCALE = {"stage1": 1.0, "stage2": 0.5, "stage3": 0.2, "stage4": 3.0}


@pytest.mark.needs("shared")
@pytest.mark.parametrize(
    ("name", "preset", "tolerance", "parameters"),
    [
        ("sc", "rga_sc_resnet50", 2e-5, 31_364_272),
        ("c", "rga_c_resnet50", 2e-5, 28_140_472),
        ("s", "rga_s_resnet50", 1e-4, 28_273_976),
        ("base", "resnet50", 1e-4, 25_050_176),
    ],
)
def test_reference_networks(shared: Path, rule: Any, name: str, preset: str, tolerance: float, parameters: int) -> None:
    data = np.load(shared / "rga" / f"net_rga_{name}.npz")
    model = build_model(preset, 751).eval()
    assert sum(p.numel() for p in model.parameters()) == parameters
    state = {}
    for ours, tensor in model.state_dict().items():
        theirs = (
            ours.replace("attention.stage", "backbone.rga_att")
            .replace("head.neck", "feat_bn")
            .replace("head.classifier", "cls")
        )
        inner, scale = 1, 1.0
        if "gg_" in ours:
            stage = ours.split(".")[1]
            branch = "spatial" if "gg_spatial" in ours else "channel"
            inner = model.get_submodule(f"attention.{stage}.theta_{branch}.0").out_channels  # type: ignore[assignment]
            scale = RELATION_SCALE[stage]
        state[ours] = rule.tensor(theirs, tensor.shape, inner=inner, k=scale)
    model.load_state_dict(state)
    head = model.head
    assert isinstance(head, BNNeckHead)
    assert head.classifier is not None
    with torch.no_grad():
        images = rule.image_input(2, 256, 128)
        before = head.pool(model.feature_map(images))
        after = head.neck(before)
        deployed = model.deploy()(images)
        np.testing.assert_allclose(head.classifier(after), data["logits"], rtol=0, atol=tolerance)
    np.testing.assert_allclose(before, data["feat_pre_bn"], rtol=0, atol=tolerance)
    for feature in (after, deployed):
        np.testing.assert_allclose(feature, data["feat_post_bn"], rtol=0, atol=tolerance)
        double, expected = feature.double().numpy(), data["feat_post_bn_f64"]
        cosine = (double * expected).sum(1) / np.linalg.norm(double, axis=1) / np.linalg.norm(expected, axis=1)
        assert (cosine > 1 - 1e-9).all()


@pytest.mark.parametrize("backbone", NAMES)
def test_backbones_have_the_stages_that_they_name(backbone: str) -> None:
    net = create_backbone(backbone).eval()
    x = torch.zeros(1, 3, 64, 32)
    for stage, block in zip(net.stages, net.blocks(), strict=True):
        x = block(x)
        assert x.shape == (1, stage.channels, 64 // stage.stride, 32 // stage.stride)
    assert net.tail()(x).shape[1] == net.channels


@pytest.mark.parametrize("backbone", NAMES)
def test_deploying_changes_nothing(backbone: str, randomise: Any, settle: Any) -> None:
    torch.manual_seed(3)
    spec = ModelSpec(
        backbone=backbone,
        attention="rga_sc",
        attention_stages=(3,),
        attention_ratios=(2, 2, 2),
        height=64,
        width=32,
        embedding_dim=16,
        pooling="gem",
    )
    model = build_model(spec, 7).double().eval()
    randomise(model)
    settle(model, torch.randn(4, 3, 64, 32, dtype=torch.float64))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    images = torch.randn(2, 3, 64, 32, dtype=torch.float64)
    with torch.no_grad():
        expected = model(images)
        assert (expected[0] - expected[1]).abs().max() > 1e-5
        deployed = model.deploy()
        torch.testing.assert_close(deployed(images), expected, rtol=0, atol=1e-10)
        assert torch.equal(model(images), expected)
    norms = [m for m in deployed.modules() if isinstance(m, torch.nn.BatchNorm2d | torch.nn.BatchNorm1d)]
    assert norms == []
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("attention", KINDS)
def test_training_step_reaches_every_parameter(attention: str) -> None:
    torch.manual_seed(4)
    spec = ModelSpec(
        backbone="osnet_x0_25",
        attention=attention,
        attention_stages=(2, 3),
        attention_ratios=(2, 2, 2),
        height=64,
        width=32,
    )
    model = build_model(spec, 7).train()
    feature, logits, _ = model(torch.randn(4, 3, 64, 32))
    assert feature.shape == (4, 128)
    assert logits.shape == (4, 7)
    (feature.square().mean() + torch.nn.functional.cross_entropy(logits, torch.arange(4))).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []
    model.eval()
    assert model(torch.randn(1, 3, 64, 32)).shape == (1, 128)


@pytest.mark.parametrize("feature", ["pre", "post"])
def test_which_feature_is_the_embedding(feature: str, randomise: Any) -> None:
    model = build_model(ModelSpec(backbone="osnet_x0_25", height=64, width=32, feature=feature), 3).eval()
    randomise(model)
    assert isinstance(model.head, BNNeckHead)
    images = torch.randn(2, 3, 64, 32)
    with torch.no_grad():
        pooled = model.head.pool(model.feature_map(images))
        expected = model.head.neck(pooled) if feature == "post" else pooled
        assert torch.equal(model(images), expected)
        torch.testing.assert_close(model.deploy()(images), expected, rtol=1e-4, atol=1e-5)


def test_gem_lies_between_mean_and_maximum() -> None:
    x = torch.rand(2, 3, 5, 4)
    torch.testing.assert_close(GeneralizedMeanPooling(1.0)(x), x.mean(dim=(2, 3)))
    pooled = GeneralizedMeanPooling(3.0)(x)
    assert ((x.mean(dim=(2, 3)) < pooled) & (pooled < x.amax(dim=(2, 3)))).all()


@pytest.mark.parametrize("preset", PRESETS)
def test_spec_survives_a_dict(preset: str) -> None:
    assert ModelSpec.from_dict(PRESETS[preset].to_dict()) == PRESETS[preset]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"backbone": "vgg"}, "unknown backbone 'vgg': choose one of resnet50"),
        ({"attention": "se"}, "unknown attention 'se'"),
        ({"attention": "rga_s", "attention_stages": [5]}, "mobilenet_v2 has no stage 5: choose 1 to 4"),
        ({"pooling": "max"}, "unknown pooling 'max'"),
        ({"feature": "both"}, "unknown feature 'both'"),
        ({"head": "arc"}, "unknown head 'arc'"),
        ({"height": 16}, "input of 16 x 128 pixels is too small"),
        ({"colour": "red"}, "unknown model key 'colour'"),
    ],
)
def test_wrong_specs(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ReidError, match=message):
        build_model(ModelSpec.from_dict(values))


def test_unknown_preset() -> None:
    with pytest.raises(ReidError, match="unknown model 'best': choose one of default"):
        build_model("best")
