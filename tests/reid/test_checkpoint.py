"""Weight files: what is written comes back, anything else is refused in one line."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from relaytrack.reid import installed
from relaytrack.reid.checkpoint import WeightsInfo, load_info, load_model, save_model
from relaytrack.reid.errors import WeightsError
from relaytrack.reid.installed import default_weights
from relaytrack.reid.model import PRESETS, ModelSpec, ReidModel, build_model


def images() -> torch.Tensor:
    return torch.randn(2, 3, 64, 32, generator=torch.Generator().manual_seed(0))


def test_round_trip(small_model: ReidModel, tmp_path: Path) -> None:
    info = WeightsInfo(name="a", dataset="b", licence="c", threshold=0.5, results={"rank1": 0.25})
    path = save_model(tmp_path / "deep" / "w.safetensors", small_model, info)
    loaded = load_model(path)
    assert loaded.spec == small_model.spec
    assert load_info(path) == info
    assert not loaded.training
    with torch.no_grad():
        assert torch.equal(loaded(images()), small_model(images()))


def test_others_may_read_what_the_umask_allows(small_model: ReidModel, tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        path = save_model(tmp_path / "shared.safetensors", small_model)
        os.umask(0o077)
        own = save_model(tmp_path / "own.safetensors", small_model)
    finally:
        os.umask(before)
    assert (path.stat().st_mode & 0o777, own.stat().st_mode & 0o777) == (0o644, 0o600)


def test_half_storage_halves_the_file(small_model: ReidModel, tmp_path: Path) -> None:
    full = save_model(tmp_path / "full.safetensors", small_model).stat().st_size
    path = save_model(tmp_path / "half.safetensors", small_model, half=True)
    assert path.stat().st_size < 0.56 * full
    loaded = load_model(path)
    assert all(p.dtype == torch.float32 for p in loaded.parameters())
    kept = loaded.state_dict()
    for name, tensor in small_model.state_dict().items():
        if name in kept and tensor.is_floating_point():
            assert torch.equal(kept[name], tensor.half().float() if tensor.ndim >= 2 else tensor), name
    with torch.no_grad():  # a random network magnifies rounding
        similar = torch.nn.functional.cosine_similarity(loaded(images()), small_model(images()))
    assert (similar > 0.995).all()


def test_training_checkpoint(tmp_path: Path) -> None:
    spec = ModelSpec(backbone="osnet_x0_25", height=64, width=32)
    model = build_model(spec, 5)
    torch.save({"spec": spec.to_dict(), "model": model.state_dict(), "step": 7}, tmp_path / "last.pt")
    assert load_model(tmp_path / "last.pt", num_classes=5).num_classes == 5
    embedding = load_model(tmp_path / "last.pt")
    assert embedding.num_classes == 0
    with torch.no_grad():
        assert torch.equal(embedding(images()), model.eval()(images()))


def test_classifier_is_kept_only_when_asked_for(tmp_path: Path) -> None:
    model = build_model(ModelSpec(backbone="osnet_x0_25", height=64, width=32), 5)
    with pytest.raises(WeightsError, match=r"it has no head\.classifier\.weight"):
        load_model(save_model(tmp_path / "a.safetensors", model), num_classes=5)
    kept = load_model(save_model(tmp_path / "b.safetensors", model, classifier=True), num_classes=5)
    torch.testing.assert_close(kept.state_dict(), model.state_dict())


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"weights not found: .*none\.safetensors$"):
        load_model(tmp_path / "none.safetensors")


@pytest.mark.parametrize("name", ["a.safetensors", "a.pt"])
def test_unreadable_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"not weights at all")
    with pytest.raises(WeightsError, match=rf"cannot read weights from .*{name}: ") as caught:
        load_model(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_pickles_are_not_executed(tmp_path: Path) -> None:
    class Harmful:
        def __reduce__(self) -> Any:
            return (Path(tmp_path / "made").touch, ())

    torch.save({"model": {"a": torch.zeros(1)}, "x": Harmful()}, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match="not a file of plain tensors"):
        load_model(tmp_path / "w.pt")
    assert not (tmp_path / "made").exists()


def test_file_without_a_network(tmp_path: Path) -> None:
    torch.save({"conv.weight": torch.zeros(3)}, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match="does not say which network"):
        load_model(tmp_path / "w.pt")
    torch.save({"lr": 0.1}, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match="no tensors in"):
        load_model(tmp_path / "w.pt")


def test_weights_of_another_network(small_weights: Path, small_model: ReidModel) -> None:
    other = dataclasses.replace(small_model.spec, backbone="mobilenet_v2")
    with pytest.raises(WeightsError, match=r"small\.safetensors belongs to another network: it has no backbone\.feat"):
        load_model(small_weights, spec=other)
    other = dataclasses.replace(small_model.spec, attention="none")
    with pytest.raises(WeightsError, match=r"nothing here is called attention\.stage3\."):
        load_model(small_weights, spec=other)
    other = dataclasses.replace(small_model.spec, embedding_dim=16)
    with pytest.raises(WeightsError, match=r"head\.project\.weight is \(32, 1280\) instead of \(16, 1280\)"):
        load_model(small_weights, spec=other)


def test_unknown_network_in_the_header(small_model: ReidModel, tmp_path: Path) -> None:
    spec = {**small_model.spec.to_dict(), "backbone": "swin"}
    torch.save({"spec": json.dumps(spec), "model": small_model.state_dict()}, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match="unknown backbone 'swin'"):
        load_model(tmp_path / "w.pt")
    torch.save({"spec": {"depth": 50}, "model": small_model.state_dict()}, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match="unknown model key 'depth'"):
        load_model(tmp_path / "w.pt")


def test_values_that_are_not_finite(small_model: ReidModel, tmp_path: Path) -> None:
    state = {name: tensor.clone() for name, tensor in small_model.state_dict().items()}
    state["head.project.weight"][0, 0] = torch.nan
    torch.save({"spec": small_model.spec.to_dict(), "model": state}, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match="not finite"):
        load_model(tmp_path / "w.pt")


def test_the_shipped_weights_are_those_of_the_default_network() -> None:
    from relaytrack.reid.training.config_file import load_config
    from relaytrack.reid.training.start import spec_of

    model = load_model(default_weights())
    assert model.spec == PRESETS["default"]
    assert spec_of(load_config("light_fine")) == PRESETS["light"]
    first = dataclasses.replace(PRESETS["light"], height=192, width=96, attention_ratios=(4, 4, 4))
    assert spec_of(load_config("light")) == first


def test_default_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "WEIGHTS_FOLDER", tmp_path)
    with pytest.raises(WeightsError, match="no default weights"):
        default_weights()
    (tmp_path / "large.safetensors").write_bytes(b"12")
    (tmp_path / "light.safetensors").write_bytes(b"1")
    assert default_weights().name == "light.safetensors"


def test_the_default_weights_know_the_names_of_their_data_sets() -> None:
    from relaytrack.reid.installed import default_weights

    assert "market1501" in load_info(default_weights()).datasets
    assert WeightsInfo(dataset="market1501 + folder").datasets == ("market1501", "folder")
    assert WeightsInfo().datasets == ()
