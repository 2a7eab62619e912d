"""What other commands make of a checkpoint of `reid train`, also of one that an earlier version wrote."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from relaytrack.reid.checkpoint import load_info, load_model
from relaytrack.reid.cli import main
from relaytrack.reid.embedder import Embedder
from relaytrack.reid.training.finish import read_checkpoint


def settings(people: Path, out: Path) -> list[str]:
    values = {
        "data.sources.0.name": "folder",
        "data.sources.0.root": people,
        "data.identities": 4,
        "data.images": 2,
        "model.height": 32,
        "run.threads": 1,
        "run.device": "cpu",
        "run.out": out,
        "run.iterations": 2,
        "run.save_every": 1,
        "run.norm_batches": 2,
    }
    return [word for key, value in values.items() for word in ("--set", f"{key}={value}")]


@pytest.fixture(scope="module")
def trained(people: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained")
    assert main(["train", "debug", *settings(people, out)]) == 0
    return out / "last.pt"


@pytest.fixture(scope="module", params=["now", "of an earlier version"])
def checkpoint(request: pytest.FixtureRequest, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if request.param == "now":
        return trained
    state = torch.load(trained, weights_only=True)
    del state["spec"]
    path = tmp_path_factory.mktemp("earlier") / "last.pt"
    torch.save(state, path)
    return path


def test_it_says_which_network_it_belongs_to(checkpoint: Path) -> None:
    averaged, config, step = read_checkpoint(checkpoint)
    assert config is not None
    assert step == 2
    loaded = load_model(checkpoint)
    assert loaded.spec == averaged.spec
    expected = averaged.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in loaded.state_dict().items())


def test_export_writes_the_same_network_in_both_forms(checkpoint: Path, people: Path, tmp_path: Path) -> None:
    weights, network, small = (tmp_path / name for name in ("w.safetensors", "n.onnx", "n_int8.onnx"))
    assert main(["export", str(checkpoint), str(weights)]) == 0
    assert main(["export", str(checkpoint), str(network), "--name", "mine"]) == 0
    assert main(["export", str(checkpoint), str(small), "--int8", "--crops", str(people)]) == 0
    crops = torch.rand(3, 3, 32, 128, generator=torch.Generator().manual_seed(0))
    measured, exported = Embedder(weights, "cpu"), Embedder(network, "cpu")
    crops = crops[..., : measured.input_size[1]]
    np.testing.assert_allclose(exported.embed(crops), measured.embed(crops), atol=1e-4)
    assert not np.allclose(Embedder(checkpoint, "cpu").embed(crops), measured.embed(crops), atol=1e-4)
    assert Embedder(small, "cpu").precision == "int8"
    assert exported.info.name == "mine"
    assert exported.info.notice == ""
    assert exported.info.recipe == load_info(weights).recipe == "checkpoint of iteration 2"


def test_commands_read_it_and_say_what_it_lacks(
    checkpoint: Path, people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    about = ["--weights", str(checkpoint), "--dataset", "folder", "--root", str(people)]
    assert main(["eval", *about, "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["single_query"]["mean_ap"] > 0
    assert "relaytrack: these weights are a checkpoint of `reid train`" in said.err
    assert "relaytrack reid export" in said.err
    assert main(["embed", str(people), "--weights", str(checkpoint), "--out", str(tmp_path / "e.npz")]) == 0
    assert "checkpoint of `reid train`" in capsys.readouterr().err
    mean = tmp_path / "mean.safetensors"
    assert main(["average", str(checkpoint), str(checkpoint), "--out", str(mean)]) == 0
    assert load_info(mean).notice == ""


def test_calibrate_leaves_it_alone(
    checkpoint: Path, people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fault: weights were written over the checkpoint, which could not be read any more."""
    before = checkpoint.read_bytes()
    about = [str(checkpoint), "--dataset", "folder", "--root", str(people), "--all"]
    for out in ([], ["--out", str(tmp_path / "other.pt")]):
        assert main(["calibrate", *about, *out]) == 2
        assert "`relaytrack reid export`" in capsys.readouterr().err.strip().splitlines()[-1]
    assert checkpoint.read_bytes() == before
    assert not (tmp_path / "other.pt").exists()


def test_a_training_starts_from_it(checkpoint: Path, people: Path, tmp_path: Path) -> None:
    words = settings(people, tmp_path / "next")
    assert main(["train", "debug", *words, "--set", f"model.init={checkpoint}"]) == 0


def test_a_network_that_is_not_known_here_is_one_line(
    trained: Path, people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = torch.load(trained, weights_only=True)
    del state["spec"]
    state["config"]["model"] = {"backbone": "swin"}
    torch.save(state, tmp_path / "last.pt")
    assert main(["embed", str(people), "--weights", str(tmp_path / "last.pt"), "--out", str(tmp_path / "e.npz")]) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith("relaytrack: error: ")
    assert "last.pt names a network that is not known here" in line
