"""Networks with 8-bit integers."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from relaytrack.reid.checkpoint import INFO_KEY, WeightsInfo, load_model, save_model
from relaytrack.reid.cli import main
from relaytrack.reid.embedder import Embedder
from relaytrack.reid.errors import ReidError
from relaytrack.reid.export import to_onnx
from relaytrack.reid.installed import installed_weights
from relaytrack.reid.model import ModelSpec, build_model
from relaytrack.reid.onnx_weights import size_of
from relaytrack.reid.quantise import mean_cosine, normalised_crops, quantised


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    spec = ModelSpec(
        backbone="osnet_in_x0_25", attention="none", height=64, width=32, embedding_dim=32, head="depthwise"
    )
    return save_model(tmp_path / "w.safetensors", build_model(spec), WeightsInfo(name="small", threshold=0.4))


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    folder = tmp_path / "crops"
    folder.mkdir()
    draw = np.random.default_rng(0)
    for number in range(40):
        small = draw.integers(0, 256, (8, 4, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), cv2.resize(small, (40, 90), interpolation=cv2.INTER_CUBIC))
    return folder


def test_it_sees_nearly_the_same_in_8_bits(weights: Path, crops: Path, tmp_path: Path) -> None:
    target = tmp_path / "int8.onnx"
    assert main(["export", str(weights), str(target), "--int8", "--crops", str(crops)]) == 0
    proto = onnx.load(str(target))
    assert {"QuantizeLinear", "DequantizeLinear"} <= {node.op_type for node in proto.graph.node}
    assert INFO_KEY in {entry.key for entry in proto.metadata_props}
    assert [node.op_type for node in proto.graph.node if "stem/norm" in "".join(node.input)] == ["MaxPool"]
    parameters, products = size_of(proto)
    whole, wholly = size_of(onnx.load_from_string(to_onnx(load_model(weights))))
    assert products == wholly
    assert abs(parameters / whole - 1) < 0.1
    exact, small = Embedder(weights, device="cpu"), Embedder(target, device="cpu")
    assert small.threshold == 0.4
    assert small.input_size == exact.input_size
    images = [cv2.imread(str(path))[:, :, ::-1].copy() for path in sorted(crops.iterdir())[:20]]
    cosines = (exact(images) * small(images)).sum(1)
    assert cosines.min() > 0.95
    assert cosines.max() < 1 - 1e-6  # it does compute in 8 bits


def test_pooling_before_the_relu_gives_the_same_numbers() -> None:
    """Behind it, onnxruntime pools 8-bit maps, which takes five times as long."""
    path = installed_weights()["relaytrack-default-int8"]
    proto = onnx.load(str(path))
    makers = {name: node for node in proto.graph.node for name in node.output}
    pools = [node for node in proto.graph.node if node.op_type == "MaxPool"]
    assert [makers[pool.input[0]].op_type for pool in pools] == ["InstanceNormalization"]
    (pool,) = pools
    (relu,) = [node for node in proto.graph.node if node.input[0] == pool.output[0]]
    norm, result = pool.input[0], relu.output[0]
    relu.input[0], relu.output[0], pool.input[0], pool.output[0] = norm, "shown", "shown", result
    nodes = list(proto.graph.node)
    first, last = nodes.index(pool), nodes.index(relu)
    nodes[first], nodes[last] = relu, pool
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    images = np.random.default_rng(0).normal(size=(4, 3, 192, 96)).astype(np.float32)
    sessions = [onnxruntime.InferenceSession(one) for one in (path.read_bytes(), proto.SerializeToString())]
    one, other = (session.run(None, {session.get_inputs()[0].name: images})[0] for session in sessions)
    np.testing.assert_array_equal(one, other)


def test_cosine_of_a_network_with_itself_is_one(weights: Path, crops: Path) -> None:
    network = to_onnx(load_model(weights))
    images = normalised_crops(sorted(crops.iterdir()), 64, 32)
    assert images.shape == (40, 3, 64, 32)
    assert abs(mean_cosine(network, network, images) - 1) < 1e-5
    with pytest.raises(ReidError, match=r"at least 32 crops of shape \(3, 64, 32\), not 3"):
        quantised(network, images[:3])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["w.onnx", "--int8"], "--int8 needs --crops DIR"),
        (["w.safetensors", "--int8", "--crops", "CROPS"], "with --int8 the name must end in .onnx"),
        (["w.onnx", "--int8", "--crops", "nowhere"], "nowhere"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], message: str, weights: Path, crops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target, *rest = [str(crops) if word == "CROPS" else word for word in arguments]
    assert main(["export", str(weights), str(tmp_path / target), *rest]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
