"""Parameter-free spatial attention in both published forms, alone and as a whole network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from relaytrack.reid.attention.parameter_free import ParameterFreeSpatialAttention
from relaytrack.reid.model import ModelSpec, build_model
from relaytrack.reid.stripes import StripesHead


@pytest.mark.needs("shared")
@pytest.mark.parametrize("name", ["sa_64x96x32", "sa_256x24x8"])
def test_reference_layer(shared: Path, rule: Any, name: str) -> None:
    data = np.load(shared / "rga" / f"{name}.npz")
    meta = json.loads(str(data["meta"]))
    x = rule.module_input(*(meta[key] for key in "BCHW"))
    for form, tolerance in (("code", 1e-7), ("paper", 1e-6)):
        layer = ParameterFreeSpatialAttention(form)
        np.testing.assert_allclose(layer.attention(x), data[f"{form}_att"], rtol=0, atol=tolerance)
        out = layer(x)
        np.testing.assert_allclose(out.ravel()[::31], data[f"{form}_out_stride31"], rtol=0, atol=tolerance)
        np.testing.assert_allclose(out.mean(dim=(2, 3)), data[f"{form}_gap"], rtol=0, atol=tolerance)
    double = ParameterFreeSpatialAttention("paper").attention(x.double())
    np.testing.assert_allclose(double, data["paper_att_f64"], rtol=0, atol=1e-12)


@pytest.mark.needs("shared")
def test_reference_network(shared: Path, rule: Any) -> None:
    data = np.load(shared / "rga" / "net_hran_sa.npz")
    model = build_model("pfsa_resnet50", 751).eval()
    names = {entry.split(" ")[0] for entry in data["param_names"].tolist()}
    state = {}
    for ours, tensor in model.state_dict().items():
        theirs = ours.replace("backbone.", "base.").replace("head.", "")
        names.discard(theirs)
        state[ours] = rule.tensor(theirs, tensor.shape)
    assert names == {"base.fc.weight", "base.fc.bias", "fusion_conv.weight"}  # without a part in the network
    model.load_state_dict(state)
    assert isinstance(model.head, StripesHead)
    with torch.no_grad():
        maps = model.stage_maps(rule.image_input(2, 384, 128))
        feature, logits, _ = model.head(maps[-1], maps)
        embedded = model.head.embed(maps[-1])
        for number in range(3):
            attention = model.head.attention.attention(maps[number])
            np.testing.assert_allclose(attention, data[f"att/SA{number + 1}"], rtol=0, atol=1e-7)
    np.testing.assert_allclose(feature, data["feature_12288"], rtol=0, atol=1e-6)
    assert torch.equal(feature, embedded)
    np.testing.assert_allclose(logits.transpose(0, 1), data["logits_c0to6_ds1to3"], rtol=0, atol=5e-5)


@pytest.mark.parametrize("form", ["code", "paper"])
def test_rescaled_attention_keeps_the_mean(form: Any) -> None:
    constant = torch.full((2, 5, 8, 4), 0.3)
    kept = ParameterFreeSpatialAttention(form, rescale=True)(constant)
    torch.testing.assert_close(kept, constant)


def test_negative_activations_do_no_harm() -> None:
    x = torch.randn(2, 8, 6, 4, generator=torch.Generator().manual_seed(0))
    attention = ParameterFreeSpatialAttention("code").attention(x)
    assert (attention >= 0).all()
    torch.testing.assert_close(attention.sum(dim=(1, 2, 3)), torch.ones(2))
    assert torch.equal(ParameterFreeSpatialAttention("code")(-x.abs()), torch.zeros_like(x))


def test_unknown_form() -> None:
    with pytest.raises(ValueError, match="unknown form 'mean'"):
        ParameterFreeSpatialAttention("mean")  # type: ignore[arg-type]


def test_training_gives_ten_classifiers() -> None:
    spec = ModelSpec(backbone="osnet_x0_25", head="stripes", height=112, width=32)  # 7 rows: stripes overlap
    model = build_model(spec, 5).train()
    feature, logits, _ = model(torch.randn(2, 3, 112, 32))
    assert feature.shape == (2, 6 * 128)
    assert logits.shape == (2, 10, 5)
    (feature.sum() + logits.square().sum()).backward()
    assert all(p.grad is not None for p in model.parameters())
    deployed = model.deploy()
    with torch.no_grad():
        images = torch.randn(2, 3, 112, 32)
        torch.testing.assert_close(deployed(images), model.eval()(images), rtol=0, atol=1e-5)
