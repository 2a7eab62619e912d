"""ONNX files: the same function, any batch, usable as an embedder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F

from relaytrack.reid import export
from relaytrack.reid.embedder import Embedder
from relaytrack.reid.errors import ReidError, WeightsError
from relaytrack.reid.export import compare_onnx, export_onnx
from relaytrack.reid.model import ModelSpec, build_model


def test_export_is_the_network(small_weights: Path, tmp_path: Path) -> None:
    report = export_onnx(small_weights, tmp_path / "deep" / "small.onnx", batches=(1, 3, 8))
    assert report.difference < 1e-4
    assert report.size == report.path.stat().st_size
    onnx.checker.check_model(str(report.path))
    crops = [np.random.default_rng(n).integers(0, 256, (50, 20, 3), dtype=np.uint8) for n in range(5)]
    exported, trained = Embedder(report.path, device="cpu"), Embedder(small_weights, device="cpu")
    np.testing.assert_allclose(exported(crops), trained(crops), rtol=0, atol=1e-5)
    assert exported.info == trained.info
    assert exported.threshold == 0.61


@pytest.mark.parametrize(
    ("backbone", "attention", "head"),
    [
        ("resnet50", "rga_s", "bnneck"),
        ("resnet50_ibn_a", "none", "stripes"),
        ("osnet_x0_25", "rga_c", "bnneck"),
        ("osnet_x0_25", "pfsa", "bnneck"),
        ("mobilenet_v2", "pfsa_softmax", "bnneck"),
    ],
)
def test_every_part_can_be_exported(backbone: str, attention: str, head: str, tmp_path: Path, settle: Any) -> None:
    torch.manual_seed(0)
    spec = ModelSpec(backbone, attention, (3,), (2, 2, 2), height=96, width=32, head=head)
    model = build_model(spec).eval()
    if head == "bnneck":
        # noise alone looks the same to a random network in every image: the neck would then magnify rounding
        settle(model, F.interpolate(torch.randn(8, 3, 6, 2), size=(96, 32)))
    path = tmp_path / "network.onnx"
    path.write_bytes(export.to_onnx(model))
    assert compare_onnx(model, path, (1, 4)) < 1e-4


def test_a_wrong_export_is_not_left_behind(
    small_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "compare_onnx", lambda *_: 0.01)
    with pytest.raises(ReidError, match=r"small\.onnx: the export differs from torch by 1\.0e-02"):
        export_onnx(small_weights, tmp_path / "small.onnx")
    assert not (tmp_path / "small.onnx").exists()


def test_unusable_onnx(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"no network")
    with pytest.raises(WeightsError, match=r"cannot read the network .*broken\.onnx"):
        Embedder(tmp_path / "broken.onnx", device="cpu")
    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    values = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 8]) for name in "xy"]
    graph = onnx.helper.make_graph([node], "relu", values[:1], values[1:])
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=9), tmp_path / "other.onnx")
    with pytest.raises(WeightsError, match=r"other\.onnx does not map images"):
        Embedder(tmp_path / "other.onnx", device="cpu")


def test_fixed_batch(small_weights: Path, tmp_path: Path) -> None:
    """A foreign network exported for one batch size is fed in blocks of it."""
    path = export_onnx(small_weights, tmp_path / "free.onnx").path
    proto = onnx.load(str(path))
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4
    onnx.save(proto, tmp_path / "fixed.onnx")
    crops = [np.random.default_rng(n).integers(0, 256, (50, 20, 3), dtype=np.uint8) for n in range(6)]
    fixed = Embedder(tmp_path / "fixed.onnx", device="cpu")(crops)
    np.testing.assert_allclose(fixed, Embedder(path, device="cpu")(crops), rtol=0, atol=1e-5)
