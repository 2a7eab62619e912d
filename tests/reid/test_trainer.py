"""The training loop on a tiny network and tiny data."""

from __future__ import annotations

import csv
import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.crops import write_crops

from relaytrack.reid.averaging import load_any
from relaytrack.reid.checkpoint import load_info, load_model, save_model
from relaytrack.reid.errors import TrainingError, WeightsError
from relaytrack.reid.model import ModelSpec, build_model
from relaytrack.reid.training import distributed
from relaytrack.reid.training.batches import to_network
from relaytrack.reid.training.config import TrainConfig
from relaytrack.reid.training.config_file import parse_config
from relaytrack.reid.training.finish import finish, read_checkpoint
from relaytrack.reid.training.start import initialise, prepare, splits
from relaytrack.reid.training.statistics import alone, with_measured_statistics
from relaytrack.reid.training.trainer import Trainer


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten people, seen by two cameras, four times each."""
    names = [f"{number:02d}" for number in range(10)]
    return write_crops(tmp_path_factory.mktemp("people"), names, shots=4, noise=20)


def config(people: Path, out: Path, **run: Any) -> TrainConfig:
    sections = {"model", "augment", "loss", "optim", "data"}
    extra = {name: run.pop(name) for name in sections & set(run)}
    return parse_config(
        {
            "data": {"sources": [{"name": "folder", "root": str(people)}], "identities": 4, "images": 2}
            | extra.get("data", {}),
            "model": {
                "backbone": "mobilenet_v2",
                "attention": "rga_sc",
                "attention_stages": [4],
                "height": 32,
                "width": 32,
                "embedding_dim": 8,
                "init": "scratch",
            }
            | extra.get("model", {}),
            "augment": {"mixstyle": 0.5, "jitter": 0.3} | extra.get("augment", {}),
            "loss": extra.get("loss", {}),
            "optim": {"lr": 1e-3} | extra.get("optim", {}),
            "run": {
                "out": str(out),
                "iterations": 4,
                "device": "cpu",
                "threads": 1,
                "ema": 0.9,
                "save_every": 2,
                "validate_every": 100,
                "norm_batches": 3,
            }
            | run,
        }
    )


def weights_of(trainer: Trainer) -> dict[str, torch.Tensor]:
    assert trainer.average is not None
    mine = {f"model.{name}": tensor for name, tensor in trainer.model.state_dict().items()}
    return mine | {f"average.{name}": tensor for name, tensor in trainer.average.module.state_dict().items()}


def test_a_resumed_run_is_bit_identical(people: Path, tmp_path: Path) -> None:
    whole = prepare(config(people, tmp_path / "whole", loss={"centre": 0.01}))
    whole.run()
    first = prepare(config(people, tmp_path / "parts", loss={"centre": 0.01}))
    stop_after(first, 2)
    second = prepare(config(people, tmp_path / "parts", loss={"centre": 0.01}), resume=tmp_path / "parts" / "last.pt")
    assert second.step == 2
    second.run()
    a, b = weights_of(whole), weights_of(second)
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name
    rows, again = (
        list(csv.DictReader((tmp_path / part / "steps.csv").read_text().splitlines())) for part in ("parts", "whole")
    )
    assert [row["step"] for row in rows] == ["1", "2", "3", "4"]
    assert [row["loss"] for row in rows] == [row["loss"] for row in again]


def stop_after(trainer: Trainer, step: int) -> None:
    """As Ctrl-C does, while a step is under way."""
    learn = trainer._learn

    def learn_and_stop(*args: Any) -> Any:
        values = learn(*args)
        if trainer.step == step:
            os.kill(os.getpid(), signal.SIGINT)
        return values

    trainer._learn = learn_and_stop  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt, match=f"interrupted at step {step}"):
        trainer.run()


def test_a_run_leaves_logs_curves_and_calibrated_weights(people: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    trainer = prepare(config(people, out, iterations=3, precision="bf16", log_every=1))
    scores = trainer.run()
    assert scores is not None
    assert 0 <= scores.mean_ap <= 1
    assert scores.queries == 4, "two held-out people under two cameras"
    path = finish(trainer, name="test", licence="none", notice="a notice")
    info = load_info(path)
    assert (info.name, info.dataset, info.notice) == ("test", "folder", "a notice")
    assert info.threshold is not None
    assert abs(info.threshold) <= 1.001
    assert info.results["calibration/same_pairs"] == 32
    assert str(people) not in info.recipe
    loaded = load_model(path)
    assert loaded.spec == trainer.model.spec
    assert {"steps.csv", "validation.csv", "curves.png", "last.pt", "tensorboard"} <= {p.name for p in out.iterdir()}
    model, _, step = read_checkpoint(out / "last.pt")
    assert step == 3
    x = torch.zeros(1, 3, 32, 32)
    measured = with_measured_statistics(model, trainer.cache, batches=3, precision="bf16")
    torch.testing.assert_close(measured(x), trainer.evaluated()(x), atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(load_any(out / "last.pt")(x), model(x))  # the average, before statistics are measured
    (out / "other.pt").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="is no training checkpoint"):
        read_checkpoint(out / "other.pt")


def test_training_goes_on_from_weights_with_other_people(people: Path, tmp_path: Path) -> None:
    trainer = prepare(config(people, tmp_path / "one"))
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


@pytest.mark.parametrize(("there", "precision"), [(False, "fp32"), (True, "bf16")])
def test_bfloat16_only_on_cpus_that_have_it(
    people: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    there: bool,
    precision: str,
) -> None:
    monkeypatch.setattr("relaytrack.reid.precision.cpu_has_bfloat16", lambda: there)
    trainer = prepare(config(people, tmp_path / "run", precision="bf16"))
    assert trainer.config.run.precision == precision
    assert ("no bfloat16 arithmetic" in caplog.text) is not there


def test_training_goes_on_from_weights_with_stripes(tmp_path: Path) -> None:
    spec = ModelSpec(backbone="resnet50", head="stripes", height=96, width=32)
    trained = build_model(spec, 3)
    model = build_model(spec, 5)
    head = {name: tensor.clone() for name, tensor in model.head.state_dict().items()}
    initialise(model, str(save_model(tmp_path / "stripes.safetensors", trained)))
    torch.testing.assert_close(model.backbone.state_dict(), trained.backbone.state_dict())
    torch.testing.assert_close(model.head.state_dict(), head)


def test_training_goes_on_from_weights_at_another_size(people: Path, tmp_path: Path) -> None:
    trainer = prepare(config(people, tmp_path / "one"))
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


def test_measured_statistics_centre_the_embeddings(people: Path, tmp_path: Path) -> None:
    trainer = prepare(config(people, tmp_path, model={"init": "scratch"}))
    average = trainer.average
    assert average is not None
    with torch.no_grad():
        average.module.backbone.features[0][0].weight.mul_(3)  # as if it had moved since its statistics were taken
    views = [trainer.cache.get(index) for index in range(len(trainer.cache))]
    x = to_network(np.stack(views), torch.device("cpu"))
    before = {name: tensor.clone() for name, tensor in average.module.state_dict().items()}
    made = with_measured_statistics(average.module, trainer.cache, precision="fp32")
    for name, tensor in average.module.state_dict().items():
        assert torch.equal(tensor, before[name]), "the network itself is not changed"
    offset = [float(model(x).mean(0).norm() / model(x).std(0).norm()) for model in (average.module, made)]
    assert offset[1] < 0.3
    assert offset[0] > 3 * offset[1]
    assert all(module.momentum == 0.1 for module in made.modules() if isinstance(module, torch.nn.BatchNorm2d))
    neck = with_measured_statistics(average.module, trainer.cache, precision="fp32", neck_only=True).state_dict()
    changed = {name for name, tensor in neck.items() if not torch.equal(tensor, before[name])}
    assert changed == {f"head.neck.{name}" for name in ("running_mean", "running_var", "num_batches_tracked")}


def test_low_resolution_first_then_attention_and_frozen_stages(people: Path, tmp_path: Path) -> None:
    low = [{"until": 0.5, "height": 32, "width": 32}]
    trainer = prepare(
        config(people, tmp_path, model={"height": 64}, low_resolution=low, freeze_stages=1, optim={"warmup": 0.0})
    )
    before = {name: tensor.clone() for name, tensor in weights_of(trainer).items()}
    seen: list[tuple[int, bool, torch.Tensor]] = []
    learn = trainer._learn

    def watched(batch: Any) -> Any:
        values = learn(batch)
        stem = trainer.model.backbone.blocks()[0]
        first = next(parameter for parameter in stem.parameters())
        seen.append((batch.images.shape[1], bool(len(trainer.model.attention)), first.detach().clone()))
        return values

    trainer._learn = watched  # type: ignore[method-assign]
    trainer.run()
    assert [(height, attention) for height, attention, _ in seen] == [(32, False)] * 2 + [(64, True)] * 2
    assert not torch.equal(seen[0][2], seen[1][2])
    assert torch.equal(seen[1][2], seen[3][2]), "frozen at full size"
    after = weights_of(trainer)
    moved = [name for name in after if "attention" in name and not torch.equal(before[name], after[name])]
    assert any(name.startswith("model.") for name in moved)
    assert any(name.startswith("average.") for name in moved)


def test_accumulated_gradients_are_those_of_the_whole_batch(people: Path, tmp_path: Path) -> None:
    made = {}
    for accumulate in (1, 2):
        trainer = prepare(
            config(
                people,
                tmp_path / str(accumulate),
                iterations=1,
                accumulate=accumulate,
                freeze_norm=True,
                augment={"mixstyle": 0.0},
                loss={"triplet": 0.0},  # the batch's hardest pairs do depend on the parts
                optim={"name": "sgd", "warmup": 0.0},
            )
        )
        trainer.run()
        made[accumulate] = weights_of(trainer)
    for name, tensor in made[1].items():
        torch.testing.assert_close(tensor, made[2][name], atol=1e-6, rtol=1e-5)


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_checkpoint(people: Path, tmp_path: Path) -> None:
    trainer = prepare(config(people, tmp_path))
    learn = trainer._learn

    def spoil(batch: Any) -> Any:
        if trainer.step == 2:
            with torch.no_grad():
                next(iter(trainer.model.head.parameters())).fill_(float("nan"))
        return learn(batch)

    trainer._learn = spoil  # type: ignore[method-assign]
    with pytest.raises(
        TrainingError, match=r"the loss is not finite at step 3; the last good checkpoint is .*last\.pt"
    ):
        trainer.run()
    state = torch.load(tmp_path / "last.pt", weights_only=True)
    assert state["step"] == 2
    assert all(torch.isfinite(t).all() for t in state["model"].values() if t.is_floating_point())


def test_synchronised_norms_become_plain_ones_for_evaluation() -> None:
    model = build_model(ModelSpec(height=32, width=32, embedding_dim=8, backbone="osnet_x0_25"), 3).eval()
    x = torch.randn(2, 3, 32, 32)
    expected = model(x).detach()
    made = alone(torch.nn.SyncBatchNorm.convert_sync_batchnorm(model))
    assert not any(isinstance(module, torch.nn.SyncBatchNorm) for module in made.modules())
    torch.testing.assert_close(made.eval()(x), expected)
    made.train()(x)


def test_several_sources_are_joined(people: Path, tmp_path: Path) -> None:
    twice = [{"name": "folder", "root": str(people)}] * 2
    train, held = splits(config(people, tmp_path, data={"sources": twice}))
    assert held is not None
    assert (len(train.identities), len(held.identities)) == (16, 4)
    assert len(train) + len(held) == 160


def test_corrupt_images_are_left_out_with_a_count(
    people: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "people"
    root.mkdir()
    for path in people.iterdir():
        (root / path.name).write_bytes(path.read_bytes())
    (root / "01_1_0.png").write_bytes(b"broken")
    (root / "77_1_0.png").write_bytes((people / "01_1_0.png").read_bytes())  # somebody with one image
    trainer = prepare(config(root, tmp_path / "out", iterations=1, data={"validation": "none"}))
    assert "1 images cannot be decoded and are left out, the first is" in caplog.text
    assert "01_1_0.png" in caplog.text
    assert "1 identities have one image only" in caplog.text
    assert len(trainer.cache) == 80
    trainer.run()


def test_a_checkpoint_of_another_network_is_refused(people: Path, tmp_path: Path) -> None:
    trainer = prepare(config(people, tmp_path))
    trainer.save()
    with pytest.raises(TrainingError, match="cannot resume from"):
        prepare(config(people, tmp_path, model={"embedding_dim": 16}), resume=tmp_path / "last.pt")
    with pytest.raises(TrainingError, match="cannot resume from"):
        prepare(config(people, tmp_path), resume=tmp_path / "none.pt")


@pytest.mark.parametrize("head", ["bnneck", "stripes"])
def test_other_losses_optimisers_and_heads_run(people: Path, tmp_path: Path, head: str) -> None:
    model = {"head": head, "attention": "none"}
    if head == "stripes":
        model |= {"height": 192}
    trainer = prepare(
        config(
            people,
            tmp_path,
            iterations=1,
            model=model,
            loss={"circle": 0.1, "triplet": float(head == "bnneck"), "margin": None},
            optim={"name": "sgd", "schedule": "step", "clip": 5.0},
        )
    )
    trainer.run()
    assert trainer.step == 1


def test_the_backbone_may_learn_more_slowly(people: Path, tmp_path: Path) -> None:
    optim = {"name": "sgd", "lr": 0.1, "backbone_factor": 0.25, "warmup": 0.0, "schedule": "step"}
    trainer = prepare(config(people, tmp_path, iterations=1, optim=optim))
    rates = {id(p): group["lr"] for group in trainer.optimizer.param_groups for p in group["params"]}
    assert {rates[id(p)] for p in trainer.model.backbone.parameters()} == {0.025}
    assert {rates[id(p)] for p in trainer.model.attention.parameters()} == {0.1}
    assert {rates[id(p)] for p in trainer.model.head.parameters()} == {0.1}
    assert len(rates) == len(list(trainer.model.parameters()))
    trainer.run()
    assert {group["lr"] for group in trainer.optimizer.param_groups} == {0.1, 0.025}


SCRIPT = """
import copy, sys
from pathlib import Path
import torch, yaml
from torch import nn
from relaytrack.reid.training import distributed
from relaytrack.reid.training.config_file import parse_config
from relaytrack.reid.training.losses import batch_hard_triplet
from relaytrack.reid.training.start import initialise, prepare, splits
from relaytrack.reid.training.sync_norm import synchronise_norms

trainer = prepare(parse_config(yaml.safe_load(Path(sys.argv[1]).read_text())))
trainer.run()
if trainer.rank == 0:
    torch.save(trainer.model.state_dict(), sys.argv[2])
    trainer.evaluated()  # must not wait for the other process

# batch norm over both processes' images, and gathered embeddings: values and gradients of one process
torch.manual_seed(0)
layers = [nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, bias=False)]
alone = nn.Sequential(*layers, nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(128, 8), nn.BatchNorm1d(8))
shared = copy.deepcopy(alone)
assert synchronise_norms(shared) == 3
network = nn.parallel.DistributedDataParallel(shared)
x, ids = torch.randn(8, 3, 8, 8), torch.arange(8) // 2
mine = slice(trainer.rank * 4, trainer.rank * 4 + 4)
y, z = alone(x), network(x[mine])
(batch_hard_triplet(y, ids) + y.pow(3).mean()).backward()
(batch_hard_triplet(distributed.gather(z), distributed.gather_labels(ids[mine])) + z.pow(3).mean()).backward()
close = dict(atol=1e-5, rtol=1e-4)
torch.testing.assert_close(z, y[mine], **close)
for one, two in zip(alone.parameters(), shared.parameters(), strict=True):
    torch.testing.assert_close(two.grad, one.grad, **close)
for one, two in zip(alone.buffers(), shared.buffers(), strict=True):
    torch.testing.assert_close(two, one, **close)
distributed.stop()
"""


def test_two_processes_equal_one(people: Path, tmp_path: Path) -> None:
    """Five steps of the trainer to 1e-5 in the weights, with batch norm in eval mode: from random weights its
    training mode makes a difference of one rounding grow past any tolerance within five steps. The script holds
    batch norm in training mode to one step's values and gradients.
    """
    import yaml

    def settings(name: str) -> TrainConfig:
        return config(
            people,
            tmp_path / name,
            iterations=5,
            freeze_norm=True,
            data={"validation": "none"},
            augment={"mixstyle": 0.0},
            optim={"name": "sgd", "lr": 0.05, "warmup": 0.0},
            low_resolution=[{"until": 0.4, "height": 32, "width": 32}],
            model={"height": 64},
        )

    (tmp_path / "train.py").write_text(SCRIPT)
    (tmp_path / "two.yaml").write_text(yaml.safe_dump(settings("two").dump()))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += [str(tmp_path / name) for name in ("train.py", "two.yaml", "two.pt")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    two = torch.load(tmp_path / "two.pt", weights_only=True)
    trainer = prepare(settings("one"))
    start = {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}
    trainer.run()
    one = trainer.model.state_dict()
    moved = max(float((one[name] - start[name]).abs().max()) for name in start if name.endswith("weight"))
    assert moved > 1e-3, "much more than the processes may differ"
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, two[name], atol=1e-5, rtol=0, msg=lambda text, n=name: f"{n}: {text}")


def test_one_process_speaks_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    assert distributed.first()
    monkeypatch.setenv("RANK", "1")
    assert not distributed.first()
