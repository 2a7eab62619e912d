"""Relation-aware attention: the factored form is the paper's, and the reference implementation's numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from relaytrack.reid.attention.factory import KINDS, create_attention
from relaytrack.reid.attention.rga import RelationAwareGlobalAttention
from relaytrack.reid.attention.rga_deployed import DeployedRelationAwareGlobalAttention
from relaytrack.reid.errors import ReidError

SIZES = ("m256x64x32", "m512x32x16", "m1024x16x8", "m64x16x8", "m64x8x4")


class PlainAttention(RelationAwareGlobalAttention):
    """The same parameters, computed as the paper writes it: with the affinity of all pairs."""

    def spatial_attention(self, x: Tensor) -> Tensor:
        theta, phi = self.theta_spatial(x).flatten(2), self.phi_spatial(x).flatten(2)
        affinity = torch.einsum("bki,bkj->bij", theta, phi)
        relations = torch.cat((affinity.transpose(1, 2), affinity), dim=1).unflatten(2, x.shape[2:])
        own = self.gx_spatial(x).mean(dim=1, keepdim=True)
        return self.W_spatial(torch.cat((own, self.gg_spatial(relations)), dim=1)).sigmoid()

    def channel_attention(self, x: Tensor) -> Tensor:
        nodes = x.flatten(2).transpose(1, 2).unsqueeze(3)
        theta, phi = self.theta_channel(nodes).squeeze(3), self.phi_channel(nodes).squeeze(3)
        affinity = torch.einsum("bki,bkj->bij", theta, phi)
        relations = torch.cat((affinity.transpose(1, 2), affinity), dim=1).unsqueeze(3)
        own = self.gx_channel(nodes).mean(dim=1, keepdim=True)
        gate = self.W_channel(torch.cat((own, self.gg_channel(relations)), dim=1)).sigmoid()
        return gate.squeeze(1).unsqueeze(2)


def of_file(data: Any, rule: Any) -> tuple[RelationAwareGlobalAttention, Tensor]:
    meta = json.loads(str(data["meta"]))
    batch, channels, height, width = (meta[key] for key in "BCHW")
    module = RelationAwareGlobalAttention(
        channels,
        height,
        width,
        spatial=meta.get("use_spatial", True),
        channel=meta.get("use_channel", True),
        cha_ratio=meta["cha_ratio"],
        spa_ratio=meta["spa_ratio"],
        down_ratio=meta["down_ratio"],
    )
    inner = {"spatial": channels // meta["cha_ratio"], "channel": height * width // meta["spa_ratio"]}
    names = {entry.split(" ")[0] for entry in data["param_names"].tolist()}
    state = module.state_dict()
    assert set(state) == names
    module.load_state_dict(
        {
            name: rule.tensor(name, tensor.shape, inner=inner["spatial" if "spatial" in name else "channel"])
            for name, tensor in state.items()
        }
    )
    return module, rule.module_input(batch, channels, height, width)


@pytest.mark.needs("shared")
@pytest.mark.parametrize("branches", ["s", "c", "sc"])
@pytest.mark.parametrize("size", SIZES)
def test_reference_modules(shared: Path, rule: Any, size: str, branches: str) -> None:
    data = np.load(shared / "rga" / f"rga_{size}_{branches}.npz")
    module, x = of_file(data, rule)
    module.eval()
    assert sum(p.numel() for p in module.parameters()) == json.loads(str(data["meta"]))["params"]
    with torch.no_grad():
        outputs = {"plain": module(x), "deployed": DeployedRelationAwareGlobalAttention(module)(x)}
        if module.spatial:
            np.testing.assert_allclose(module.spatial_attention(x), data["att_spatial"], rtol=0, atol=5e-6)
        if module.channel:
            gated = x * module.spatial_attention(x) if module.spatial else x
            expected = data["att_channel"].reshape(len(x), -1, 1, 1)
            np.testing.assert_allclose(module.channel_attention(gated), expected, rtol=0, atol=5e-6)
        double = module.double()(x.double())
    for output in outputs.values():
        if "output" in data:
            np.testing.assert_allclose(output, data["output"], rtol=0, atol=5e-6)
        else:
            np.testing.assert_allclose(output.ravel()[::31], data["output_stride31"], rtol=0, atol=5e-6)
    np.testing.assert_allclose(double.ravel()[::31], data["output_f64_stride31"], rtol=0, atol=1e-12)


@pytest.mark.needs("shared")
@pytest.mark.parametrize("size", ["m64x16x8", "m64x8x4"])
def test_reference_training_step(shared: Path, rule: Any, size: str) -> None:
    data = np.load(shared / "rga" / f"rga_{size}_sc_train_f64.npz")
    module, x = of_file(data, rule)
    module.double().train()
    x = x.double().requires_grad_()
    output = module(x)
    weight = torch.from_numpy(rule.values("grad_out", output.numel())).view_as(output)
    (output * weight).sum().backward()
    np.testing.assert_allclose(output.detach(), data["output"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(x.grad, data["grad_input"], rtol=0, atol=2e-6)
    for name, parameter in module.named_parameters():
        np.testing.assert_allclose(parameter.grad, data[f"grad/{name}"], rtol=0, atol=1e-5, err_msg=name)
    for name, buffer in module.named_buffers():
        np.testing.assert_allclose(buffer, data[f"after/{name}"], rtol=0, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("spatial", "channel"), [(True, False), (False, True), (True, True)])
@pytest.mark.parametrize("ratios", [(8, 8, 8), (4, 2, 2)])
def test_factored_form_is_exact(
    randomise: Any, ratios: tuple[int, int, int], spatial: bool, channel: bool, training: bool
) -> None:
    torch.manual_seed(1)
    names = dict(zip(("cha_ratio", "spa_ratio", "down_ratio"), ratios, strict=True))
    ours = RelationAwareGlobalAttention(64, 12, 6, spatial=spatial, channel=channel, **names).double()
    randomise(ours)
    plain = PlainAttention(64, 12, 6, spatial=spatial, channel=channel, **names).double()
    plain.load_state_dict(ours.state_dict())
    gradients = []
    weight = torch.randn(3, 64, 12, 6, dtype=torch.float64)
    x = torch.rand(3, 64, 12, 6, dtype=torch.float64)
    for module in (ours, plain):
        module.train(training)
        given = x.clone().requires_grad_()
        (module(given) * weight).sum().backward()
        assert given.grad is not None
        gradients.append((given.grad, *(p.grad for p in module.parameters())))
    for name, buffer in plain.named_buffers():  # the second computation must not count twice
        torch.testing.assert_close(ours.get_buffer(name), buffer, rtol=1e-12, atol=1e-14, msg=name)
    torch.testing.assert_close(ours(x), plain(x), rtol=0, atol=1e-13)
    for name, a, b in zip(("input", *dict(ours.named_parameters())), *gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12, msg=name)


def test_affinity_is_never_built() -> None:
    """No tensor kept for the backward pass grows with the square of the number of positions."""
    module = RelationAwareGlobalAttention(16, 32, 16, cha_ratio=2, channel=False)
    x = torch.rand(2, 16, 32, 16, requires_grad=True)
    sizes: list[int] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: (sizes.append(t.numel()), t)[1], lambda t: t):
        module(x)
    assert max(sizes) < 2 * 512 * 512 / 2


@pytest.mark.parametrize("channels_last", [False, True])
def test_deployed_form(randomise: Any, channels_last: bool) -> None:
    torch.manual_seed(2)
    module = RelationAwareGlobalAttention(64, 16, 8).double().eval()
    randomise(module)
    deployed = DeployedRelationAwareGlobalAttention(module)
    x = torch.rand(3, 64, 16, 8, dtype=torch.float64)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    with torch.no_grad():
        given = x.contiguous(memory_format=layout)
        torch.testing.assert_close(deployed(given), module(x), rtol=0, atol=1e-13)
        assert torch.equal(given, x), "the input must stay as it is"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_keeps_the_shape(kind: str) -> None:
    module = create_attention(kind, 64, 16, 8).eval()
    x = torch.rand(2, 64, 16, 8)
    y = module(x)
    assert y.shape == x.shape
    assert torch.equal(y, x) == (kind == "none")


def test_unknown_attention() -> None:
    with pytest.raises(ReidError, match="unknown attention 'cbam': choose one of none, rga_s"):
        create_attention("cbam", 64, 16, 8)
    with pytest.raises(ValueError, match="needs the spatial branch"):
        RelationAwareGlobalAttention(64, 16, 8, spatial=False, channel=False)
