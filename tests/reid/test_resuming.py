"""`reid train --resume` with a checkpoint of other people, other settings or another network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from support.crops import write_crops

from relaytrack.reid.errors import TrainingError
from relaytrack.reid.training.config import TrainConfig
from relaytrack.reid.training.config_file import parse_config
from relaytrack.reid.training.start import prepare


def config(root: Path, out: Path, **sections: dict[str, Any]) -> TrainConfig:
    base: dict[str, dict[str, Any]] = {
        "data": {
            "sources": [{"name": "folder", "root": str(root)}],
            "identities": 4,
            "images": 2,
            "validation": "none",
        },
        "model": {"backbone": "mobilenet_v2", "height": 32, "width": 32, "embedding_dim": 8, "init": "scratch"},
        "run": {"out": str(out), "iterations": 2, "device": "cpu", "threads": 1, "ema": 0.9, "norm_batches": 1},
    }
    return parse_config({name: base.get(name, {}) | sections.get(name, {}) for name in base.keys() | sections.keys()})


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("first")
    trainer = prepare(config(write_crops(home / "people", "abcdef"), home))
    trainer.save()
    return home / "last.pt"


def refusal(checkpoint: Path, root: Path, tmp_path: Path, **sections: dict[str, Any]) -> str:
    with pytest.raises(TrainingError) as caught:
        prepare(config(root, tmp_path / "out", **sections), resume=checkpoint)
    text = str(caught.value)
    assert text.startswith("cannot resume from ")
    assert "\n" not in text
    return text


def test_the_same_people_go_on_from_another_folder_and_with_more_pictures(checkpoint: Path, tmp_path: Path) -> None:
    root = write_crops(tmp_path / "moved", "abcdef")
    (root / "c_3_0.png").write_bytes((root / "c_1_0.png").read_bytes())
    prepare(config(root, tmp_path / "out"), resume=checkpoint)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("abcde", "it was trained on 6 people, and the data now have 5"),
        ("abcdefg", "it was trained on 6 people, and the data now have 7"),
        ("bcdefg", "people have been added or removed since"),
        ("uvwxyz", "none of its people is among the data now (a_1_0.png, for one)"),
    ],
)
def test_other_people(names: str, said: str, checkpoint: Path, tmp_path: Path) -> None:
    text = refusal(checkpoint, write_crops(tmp_path / "people", names), tmp_path)
    assert said in text
    assert "model.init=FILE" in text
    assert "state_dict" not in text


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"model": {"embedding_dim": 16}}, "made with model.embedding_dim=8, and the configuration says 16"),
        ({"optim": {"name": "sgd"}}, "made with optim.name=adamw, and the configuration says sgd"),
        ({"loss": {"centre": 0.1}}, "made with loss.centre=none, and the configuration says 0.1"),
        ({"run": {"ema": None}}, "made with run.ema=0.9, and the configuration says none"),
    ],
)
def test_other_settings(sections: dict[str, dict[str, Any]], said: str, checkpoint: Path, tmp_path: Path) -> None:
    assert said in refusal(checkpoint, write_crops(tmp_path / "people", "abcdef"), tmp_path, **sections)


def test_another_average_goes_on(checkpoint: Path, tmp_path: Path) -> None:
    prepare(config(write_crops(tmp_path / "people", "abcdef"), tmp_path, run={"ema": 0.99}), resume=checkpoint)


def test_other_tensors_and_other_files(checkpoint: Path, tmp_path: Path) -> None:
    root = write_crops(tmp_path / "people", "abcdef")
    state = torch.load(checkpoint, weights_only=True)
    first = next(iter(state["model"]))
    del state["model"][first]
    torch.save(state, tmp_path / "less.pt")
    assert f"it belongs to another network: it has no {first}" in refusal(tmp_path / "less.pt", root, tmp_path)
    (tmp_path / "text.pt").write_text("hello")
    assert "it is no training checkpoint" in refusal(tmp_path / "text.pt", root, tmp_path)
    torch.save({"weights": torch.zeros(2)}, tmp_path / "bare.pt")
    assert "it is no training checkpoint" in refusal(tmp_path / "bare.pt", root, tmp_path)
    assert "no such file" in refusal(tmp_path / "none.pt", root, tmp_path)


def test_a_checkpoint_of_an_earlier_version_has_no_list_of_write_crops(checkpoint: Path, tmp_path: Path) -> None:
    state = torch.load(checkpoint, weights_only=True)
    del state["people"]
    torch.save(state, tmp_path / "old.pt")
    prepare(config(write_crops(tmp_path / "people", "bcdefg"), tmp_path), resume=tmp_path / "old.pt")
