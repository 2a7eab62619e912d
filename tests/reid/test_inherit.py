"""Weights taken from Open Model Zoo's retail networks, and the parts that they fill."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from relaytrack.reid.backbones.osnet_in import ContextGate, OSNetIN
from relaytrack.reid.depthwise_head import GlobalDepthwiseHead, resized_pool
from relaytrack.reid.errors import ReidError, WeightsError
from relaytrack.reid.inherit import inherit, read_retail
from relaytrack.reid.model import ModelSpec, ReidModel, build_model


def network(width: str = "0_25", *, attention: str = "none", height: int = 256, parts: int = 1) -> ReidModel:
    spec = ModelSpec(
        backbone=f"osnet_in_x{width}",
        attention=attention,
        attention_stages=(3, 4),
        height=height,
        width=height // 2,
        embedding_dim=256 * parts,
        head="depthwise",
        parts=parts,
    )
    torch.manual_seed(0)
    return build_model(spec).eval()


@pytest.mark.needs("shared")
def test_an_heir_gives_the_embeddings_of_its_file(shared: Path) -> None:
    import onnxruntime

    path = shared / "models" / "retail_0288.onnx"
    model = network()
    inherit(model, path)
    images = torch.randn(3, 3, 256, 128, generator=torch.Generator().manual_seed(1))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (theirs,) = session.run(None, {session.get_inputs()[0].name: images.numpy()})
    with torch.no_grad():
        ours = model(images)
    assert F.cosine_similarity(ours, torch.from_numpy(np.asarray(theirs))).min() > 0.9999


@pytest.mark.needs("shared")
def test_attention_and_a_second_part_hardly_change_the_start(shared: Path) -> None:
    path = shared / "models" / "retail_0288.onnx"
    plain, heir = network(), network(attention="rga_sc", parts=2)
    inherit(plain, path)
    inherit(heir, path)
    images = torch.rand(4, 3, 256, 128, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        one, two = plain(images), heir(images)
    assert F.cosine_similarity(one, two[:, :256]).min() > 0.99
    similarity = one @ one.T
    torch.testing.assert_close(two @ two.T / 2, similarity, atol=0.02, rtol=0)


@pytest.mark.needs("shared")
def test_what_does_not_fit_is_refused(shared: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no person-reidentification-retail"):
        read_retail(shared / "models" / "osnet_x0_25_msmt17.onnx")
    with pytest.raises(WeightsError, match=r"osnet_in_x0\.25 and 256 numbers.*osnet_in_x0\.5 and 256"):
        inherit(network("0_5"), shared / "models" / "retail_0288.onnx")
    plain = build_model(ModelSpec(backbone="osnet_x0_25", height=64, width=32))
    with pytest.raises(WeightsError, match="only osnet_in backbones"):
        inherit(plain, shared / "models" / "retail_0288.onnx")
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no network")
    with pytest.raises(WeightsError, match=r"broken\.onnx"):
        read_retail(broken)


@settings(max_examples=15, deadline=None)
@given(gain=st.floats(0.3, 2.0), shift=st.floats(-0.3, 0.3), seed=st.integers(0, 100))
def test_brightness_and_contrast_of_a_camera_do_not_matter(gain: float, shift: float, seed: int) -> None:
    torch.manual_seed(0)
    backbone = OSNetIN(0.25).eval()
    images = torch.rand(1, 3, 64, 32, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        first, second = backbone(images), backbone(images * gain + shift)
    assert (first - second).abs().max() < 0.02 * first.abs().max()


def test_the_context_gate_normalises_within_groups() -> None:
    gate = ContextGate(48)
    torch.nn.init.normal_(gate.weight)
    x = torch.rand(2, 48, 4, 2)
    pooled = x.mean((2, 3)).numpy().reshape(2, 16, 3)
    normal = (pooled - pooled.mean(2, keepdims=True)) / np.sqrt(pooled.var(2, keepdims=True) + 1e-5)
    logit = normal.reshape(2, 48) * gate.weight.detach().numpy() + gate.bias.detach().numpy()
    expected = x.numpy() / (1 + np.exp(-logit))[:, :, None, None]
    np.testing.assert_allclose(gate(x).detach().numpy(), expected, atol=1e-5)
    assert ContextGate(72).groups == 8


def test_each_part_of_the_embedding_has_length_one() -> None:
    head = GlobalDepthwiseHead(8, 4, 2, embedding_dim=12, parts=3, num_classes=5)
    torch.nn.init.normal_(head.pool.weight)
    x = torch.randn(6, 8, 4, 2)
    embedding = head.embed(x)
    torch.testing.assert_close(embedding.unflatten(1, (3, 4)).norm(dim=2), torch.ones(6, 3))
    direct = F.normalize(head.project(head.pool(x).flatten(1)).unflatten(1, (3, 4)), dim=2).flatten(1)
    torch.testing.assert_close(embedding, direct)
    assert head(x).logits.shape == (6, 5)
    head.eval().fold()
    torch.testing.assert_close(head.embed(x), embedding)


@given(value=st.floats(-2, 2), height=st.integers(4, 20), width=st.integers(2, 10))
def test_a_resized_pool_sums_an_even_map_to_the_same(value: float, height: int, width: int) -> None:
    weight = torch.full((3, 1, 16, 8), 1 / 128)
    resized = resized_pool(weight, height, width)
    assert resized.shape == (3, 1, height, width)
    assert abs(float((resized * value).sum()) / 3 - value) < 1e-3 * max(1.0, abs(value))


def test_parts_must_divide_the_embedding() -> None:
    with pytest.raises(ReidError, match="must be a multiple of parts"):
        ModelSpec(head="depthwise", embedding_dim=10, parts=3)
