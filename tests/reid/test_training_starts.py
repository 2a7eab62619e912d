"""What a training begins with: weights, checkpoints, data sets, and the processor's arithmetic."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest
import torch
from support.small_training import config

from relaytrack.reid.checkpoint import load_model, save_model
from relaytrack.reid.errors import TrainingError, WeightsError
from relaytrack.reid.model import ModelSpec, build_model
from relaytrack.reid.training.finish import finish
from relaytrack.reid.training.start import initialise, prepare, splits


def test_training_goes_on_from_weights_with_other_people(ten_people: Path, tmp_path: Path) -> None:
    trainer = prepare(config(ten_people, tmp_path / "one"))
    path = finish(trainer)
    model = build_model(trainer.model.spec, 5)
    initialise(model, str(path))
    there = load_model(path).state_dict()
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in there.items())
    other = build_model(dataclasses.replace(trainer.model.spec, embedding_dim=16), 5)
    with pytest.raises(WeightsError, match="belongs to another network"):
        initialise(other, str(path))
    with pytest.raises(WeightsError, match="weights not found"):
        initialise(other, str(tmp_path / "none.safetensors"))


def test_training_goes_on_from_weights_with_stripes(tmp_path: Path) -> None:
    spec = ModelSpec(backbone="resnet50", head="stripes", height=96, width=32)
    trained = build_model(spec, 3)
    model = build_model(spec, 5)
    head = {name: tensor.clone() for name, tensor in model.head.state_dict().items()}
    initialise(model, str(save_model(tmp_path / "stripes.safetensors", trained)))
    torch.testing.assert_close(model.backbone.state_dict(), trained.backbone.state_dict())
    torch.testing.assert_close(model.head.state_dict(), head)


def test_training_goes_on_from_weights_at_another_size(ten_people: Path, tmp_path: Path) -> None:
    trainer = prepare(config(ten_people, tmp_path / "one"))
    path = finish(trainer)
    spec = trainer.model.spec
    cha, spa, down = spec.attention_ratios
    larger = dataclasses.replace(spec, height=64, width=64, attention_ratios=(cha, spa * 4, down))
    model = build_model(larger, 5)
    initialise(model, str(path))
    there = load_model(path).state_dict()
    kept = {name for name, tensor in there.items() if torch.equal(model.state_dict()[name], tensor)}
    assert {name.split(".", 2)[-1] for name in there.keys() - kept} == {
        "gg_spatial.0.weight",
        "theta_channel.0.weight",
        "phi_channel.0.weight",
        "gx_channel.0.weight",
    }
    unfit = build_model(dataclasses.replace(larger, attention_ratios=(cha, 1, down)), 5)
    with pytest.raises(WeightsError, match="belongs to another network"):
        initialise(unfit, str(path))


def test_a_checkpoint_of_another_network_is_refused(ten_people: Path, tmp_path: Path) -> None:
    trainer = prepare(config(ten_people, tmp_path))
    trainer.save()
    with pytest.raises(TrainingError, match="cannot resume from"):
        prepare(config(ten_people, tmp_path, model={"embedding_dim": 16}), resume=tmp_path / "last.pt")
    with pytest.raises(TrainingError, match="cannot resume from"):
        prepare(config(ten_people, tmp_path), resume=tmp_path / "none.pt")


@pytest.mark.parametrize(("there", "precision"), [(False, "fp32"), (True, "bf16")])
def test_bfloat16_only_on_cpus_that_have_it(
    ten_people: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    there: bool,
    precision: str,
) -> None:
    monkeypatch.setattr("relaytrack.reid.precision.cpu_has_bfloat16", lambda: there)
    trainer = prepare(config(ten_people, tmp_path / "run", precision="bf16"))
    assert trainer.config.run.precision == precision
    assert ("no bfloat16 arithmetic" in caplog.text) is not there


def test_several_sources_are_joined(ten_people: Path, tmp_path: Path) -> None:
    twice = [{"name": "folder", "root": str(ten_people)}] * 2
    train, held = splits(config(ten_people, tmp_path, data={"sources": twice}))
    assert held is not None
    assert (len(train.identities), len(held.identities)) == (16, 4)
    assert len(train) + len(held) == 160


def test_corrupt_images_are_left_out_with_a_count(
    ten_people: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "people"
    shutil.copytree(ten_people, root)
    (root / "01_1_0.png").write_bytes(b"broken")
    (root / "77_1_0.png").write_bytes((ten_people / "01_1_0.png").read_bytes())  # somebody with one image
    trainer = prepare(config(root, tmp_path / "out", iterations=1, data={"validation": "none"}))
    assert "1 images cannot be decoded and are left out, the first is" in caplog.text
    assert "01_1_0.png" in caplog.text
    assert "1 identities have one image only" in caplog.text
    assert len(trainer.cache) == 80
    trainer.run()
