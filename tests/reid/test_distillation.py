"""Learning from a teacher, on small networks."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from support.teaching import write_crop

from relaytrack.reid.cli import main
from relaytrack.reid.embedder import Embedder
from relaytrack.reid.errors import ReidConfigError
from relaytrack.reid.training.config_file import parse_config
from relaytrack.reid.training.distillation import relational_divergence
from relaytrack.reid.training.teaching import Distillation, Teacher


def test_the_relational_term_is_zero_for_the_same_relations_and_positive_for_others() -> None:
    generator = torch.Generator().manual_seed(0)
    vectors = F.normalize(torch.randn(6, 8, generator=generator))
    turned = vectors @ torch.linalg.qr(torch.randn(8, 8, generator=generator)).Q
    assert float(relational_divergence(turned, vectors, 0.1)) == pytest.approx(0, abs=1e-5)
    other = F.normalize(torch.randn(6, 5, generator=generator))
    found = float(relational_divergence(other, vectors, 0.1))
    rows = []
    for one in (other, vectors):
        similar = (one @ one.T / 0.1).numpy().astype(float)
        rows.append([np.delete(row, at) for at, row in enumerate(similar)])
    by_hand = 0.0
    for mine, theirs in zip(*rows, strict=True):
        p, q = (np.exp(row - row.max()) / np.exp(row - row.max()).sum() for row in (theirs, mine))
        by_hand += float((p * np.log(p / q)).sum()) / 6
    assert found == pytest.approx(by_hand, rel=1e-4)
    assert found > 0.01
    assert float(relational_divergence(other[:1], vectors[:1], 0.1)) == 0


def test_the_map_between_the_lengths_begins_where_it_serves_best() -> None:
    generator = torch.Generator().manual_seed(0)
    student = F.normalize(torch.randn(200, 8, generator=generator))
    target = F.normalize(student @ torch.randn(8, 5, generator=generator))
    loss = Distillation(8, [5, 8])
    before = loss(student, [target, student])[1]["cosine"]
    loss.fit(student, [target, student])
    after = loss(student, [target, student])[1]["cosine"]
    assert len(list(loss.parameters())) == 1, "no map where the lengths agree"
    assert after < 0.1 * before


def test_a_teacher_takes_crops_at_its_own_size(teacher: Path, student: Path, crops: Path) -> None:
    images = [cv2.imread(str(path))[:, :, ::-1].copy() for path in sorted(crops.iterdir())[:3]]
    both = Teacher([teacher, student], "cpu")
    assert both.dims == (24, 16)
    for given, weights in zip(both(images), (teacher, student), strict=True):
        np.testing.assert_allclose(given.numpy(), Embedder(weights, "cpu")(images), atol=1e-6)


SETTINGS = [
    "data.identities=8",
    "model.backbone=osnet_x0_25",
    "model.embedding_dim=16",
    "model.init=scratch",
    "model.height=64",
    "model.width=32",
    "model.attention=none",
    "model.attention_stages=[1,2,3,4]",
    "run.device=cpu",
    "run.threads=1",
    "run.norm_batches=2",
    "run.ema=0.9",
]


def train(crops: Path, out: Path, teacher: Path, *more: str) -> list[str]:
    settings = [*SETTINGS, f"run.out={out}", f"data.sources.0.root={crops}", *more]
    return ["train", "debug", "--distil", str(teacher), *(word for one in settings for word in ("--set", one))]


def test_training_from_a_teacher_alone_needs_no_identities_and_the_loss_falls(
    crops: Path, student: Path, teacher: Path, tmp_path: Path
) -> None:
    alone = ["data.sources.0.name=crops", "data.validation=none", "data.images=1"]
    alone += ["loss.cross_entropy=0", "loss.triplet=0", "run.iterations=12", "optim.lr=0.003", "run.log_every=1"]
    alone += [f"model.init={student}", "distil.temperature=0.3", "augment.erase=0", "run.freeze_norm=true"]
    assert main(train(crops, tmp_path, teacher, *alone)) == 0
    rows = list(csv.DictReader((tmp_path / "steps.csv").read_text().splitlines()))
    losses = [float(row["loss"]) for row in rows]
    assert np.mean(losses[-4:]) < 0.85 * np.mean(losses[:4])
    assert {row["cross_entropy"] for row in rows} == {""}
    for row in rows:
        assert float(row["loss"]) == pytest.approx(float(row["cosine"]) + float(row["relational"]), rel=1e-3)
    argv = train(crops, tmp_path, teacher, *alone, "run.iterations=13")
    assert main([*argv, "--resume", str(tmp_path / "last.pt")]) == 0


def test_training_with_identities_and_a_teacher(teacher: Path, tmp_path: Path) -> None:
    people = tmp_path / "people"
    people.mkdir()
    for person in range(10):
        for camera in (1, 2):
            for shot in range(2):
                write_crop(people / f"{person:02d}_{camera}_{shot}.png", person)
    settings = ["data.sources.0.name=folder", "data.identities=4", "data.images=2", "run.iterations=2"]
    assert main(train(people, tmp_path / "out", teacher, *settings, "run.log_every=1")) == 0
    row = list(csv.DictReader((tmp_path / "out" / "steps.csv").read_text().splitlines()))[-1]
    assert all(float(row[name]) > 0 for name in ("cross_entropy", "cosine", "relational"))


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("distil.teachers=[gone.onnx]", "distil.teachers: weights not found: gone.onnx"),
        ("model.init=gone.pth", "model.init: no such file: gone.pth"),
    ],
)
def test_missing_weights_are_told_before_the_data_are_read(
    setting: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = [*SETTINGS, f"run.out={tmp_path / 'out'}", f"data.sources.0.root={tmp_path / 'none'}", setting]
    assert main(["train", "debug", *(word for one in settings for word in ("--set", one))]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"loss": {"cross_entropy": 0, "triplet": 0}}, "all losses have the weight 0"),
        ({"data": {"sources": [{"name": "crops", "root": "x"}]}}, "the crops in x have no identities"),
        ({"data": {"images": 1}}, "data.images must be at least 2"),
        ({"distil": {"temperature": 0}}, "distil.temperature"),
        ({"distil": {"teacher": "x"}}, "did you mean 'teachers'"),
    ],
)
def test_settings_that_make_no_sense(values: dict[str, object], said: str) -> None:
    with pytest.raises(ReidConfigError, match=said):
        parse_config(values)
