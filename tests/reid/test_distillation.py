"""Learning from a teacher, and `relaytrack reid adapt`, on tiny networks."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from relaytrack.reid.checkpoint import WeightsInfo, load_info, load_model, save_model
from relaytrack.reid.cli import main
from relaytrack.reid.embedder import Embedder
from relaytrack.reid.errors import ReidConfigError
from relaytrack.reid.model import ModelSpec, ReidModel, build_model
from relaytrack.reid.training import adapting, site_crops
from relaytrack.reid.training.config_file import parse_config
from relaytrack.reid.training.distillation import relational_divergence
from relaytrack.reid.training.teaching import Distillation, Teacher

SPEC = ModelSpec(backbone="osnet_x0_25", height=64, width=32, embedding_dim=16)


def settle_norms(model: ReidModel, images: torch.Tensor) -> None:
    """Take the batch norms' statistics from images, so that a random network tells crops apart."""
    norms = [module for module in model.modules() if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        model.train()(images)
    for norm in norms:
        norm.momentum = 0.1
    model.eval()


def crop(path: Path, seed: int) -> None:
    draw = np.random.default_rng(seed)
    colours = draw.integers(0, 256, (4, 2, 3), dtype=np.uint8)
    image = cv2.resize(colours, (32, 64), interpolation=cv2.INTER_LINEAR)
    assert cv2.imwrite(str(path), cv2.add(image, draw.integers(0, 20, image.shape, dtype=np.uint8)))


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("crops")
    for number in range(48):
        crop(root / f"{number:03d}.png", number)
    return root


def network(path: Path, noise: float = 0.0, **changes: object) -> Path:
    """A network that tells crops apart; with noise another one that does it similarly."""
    torch.manual_seed(0)
    model = build_model(dataclasses.replace(SPEC, **changes))  # type: ignore[arg-type]
    project = model.head.project
    assert isinstance(project, torch.nn.Linear)
    draw = torch.Generator().manual_seed(1)
    weight = torch.randn(SPEC.embedding_dim or 0, project.in_features, generator=draw)
    with torch.no_grad():
        project.weight.copy_(noise * torch.randn(project.weight.shape, generator=draw))
        project.weight[: len(weight)] += weight
    settle_norms(model, torch.randn(16, 3, model.spec.height, model.spec.width))
    return save_model(path, model, WeightsInfo(name=path.stem, threshold=0.4, licence="mine", dataset="nothing"))


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return network(tmp_path_factory.mktemp("student") / "student.safetensors")


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of another size of input and of embedding, as ONNX."""
    from relaytrack.reid.export import export_onnx

    folder = tmp_path_factory.mktemp("teacher")
    weights = network(folder / "teacher.safetensors", 0.5, height=96, width=48, embedding_dim=24)
    export_onnx(weights, folder / "teacher.onnx")
    return folder / "teacher.onnx"


def fails(capsys: pytest.CaptureFixture[str], *argv: object) -> str:
    assert main([str(word) for word in argv]) == 2
    captured = capsys.readouterr()
    line = captured.err.strip().splitlines()[-1]
    assert line.startswith("relaytrack: error: ")
    assert "Traceback" not in captured.err
    return line


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
                crop(people / f"{person:02d}_{camera}_{shot}.png", person)
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


def test_adapt_writes_weights_that_say_where_they_come_from(
    crops: Path, student: Path, teacher: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "site.safetensors"
    argv = ["adapt", crops, "--out", out, "--weights", student, "--teacher", teacher, "--device", "cpu"]
    assert main([str(word) for word in [*argv, "--iterations", 3, "--batch", 16]]) == 0
    text = capsys.readouterr().out
    assert "42 crops; on 6 others" in text
    assert "loser to the teacher" in text, "the verdict"
    info = load_info(out)
    assert (info.threshold, info.licence) == (0.4, "mine")
    assert "42 crops of a site" in info.dataset
    assert str(crops) not in info.recipe
    assert load_model(out).spec == SPEC
    projections = [load_model(path).state_dict()["head.project.weight"] for path in (out, student)]
    assert not torch.equal(*projections)


def test_the_verdict_is_on_crops_that_were_not_learned_from() -> None:
    closer = adapting.AdaptReport(Path("x"), 42, 6, before=(0.3, 0.2), after=(0.2, 0.25))
    assert closer.better
    assert not adapting.AdaptReport(Path("x"), 42, 6, before=(0.3, 0.2), after=(0.25, 0.3)).better


def test_bad_input_of_adapt(
    crops: Path,
    student: Path,
    teacher: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(site_crops, "cut_from_run", None)  # the pipeline's command sets it for the whole process
    few, run = tmp_path / "few", tmp_path / "run"
    few.mkdir()
    crop(few / "a.png", 0)
    run.mkdir()
    (run / "run.json").write_text("{}")
    (tmp_path / "other.onnx").write_bytes(b"nothing")
    out = tmp_path / "out.safetensors"
    base = ["adapt", crops, "--out", out, "--weights", student, "--teacher", teacher]
    assert "no folder" in fails(capsys, "adapt", tmp_path / "none", "--out", out)
    assert "1 crops in" in fails(capsys, "adapt", few, "--out", out)
    assert "has no crops (output.crops) " in fails(capsys, "adapt", run, "--out", out)
    assert "must end in .safetensors" in fails(capsys, "adapt", crops, "--out", tmp_path / "x.onnx")
    assert "weights not found: gone.onnx" in fails(capsys, *base, "--teacher", "gone.onnx")
    assert "cannot read the network" in fails(capsys, *base, "--teacher", tmp_path / "other.onnx")
    assert "cannot be trained further" in fails(capsys, *base, "--weights", teacher)
    assert "--iterations must be at least 1" in fails(capsys, *base, "--iterations", 0)
    assert "cannot write" in fails(capsys, *base, "--out", few / "a.png" / "x.safetensors")
    assert not out.exists()


def test_further_crops_come_from_whoever_knows_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    (run / "crops").mkdir(parents=True)
    (run / "run.json").write_text("{}")
    crop(run / "crops" / "1.jpg", 0)

    def cut(folder: Path, target: Path) -> int:
        assert folder == run
        target.mkdir(parents=True)
        for number in range(40):
            crop(target / f"{number}.jpg", number)
        return 40

    monkeypatch.setattr(site_crops, "cut_from_run", cut)
    assert len(site_crops.crops_of([run], tmp_path / "scratch")) == 41


def test_the_default_teacher_is_the_best_of_the_others() -> None:
    from relaytrack.reid.installed import default_weights, find_weights

    assert adapting.default_teacher(default_weights()) == "retail-0286"
    assert adapting.default_teacher(find_weights("retail-0286")) == "relaytrack-default"


def test_adapt_takes_the_crops_that_can_be_decoded_where_they_are_fewer_than_a_batch(
    crops: Path, student: Path, teacher: Path, tmp_path: Path
) -> None:
    """Fault: with as many crops as a batch has and one of them damaged, nothing was adapted."""
    site = tmp_path / "site"
    site.mkdir()
    for path in sorted(crops.iterdir())[:36]:
        (site / path.name).write_bytes(path.read_bytes())
    for name in ("001.png", "002.png"):
        (site / name).write_bytes(b"no picture")
    out = tmp_path / "site.safetensors"
    argv = ["adapt", site, "--out", out, "--weights", student, "--teacher", teacher, "--device", "cpu"]
    assert main([str(word) for word in [*argv, "--iterations", 1, "--batch", 32]]) == 0
    assert "29 crops of a site" in load_info(out).dataset
