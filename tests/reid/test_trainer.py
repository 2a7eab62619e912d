"""The training loop on a tiny network and tiny data."""

from __future__ import annotations

import csv
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.small_training import config

from relaytrack.reid.averaging import load_any
from relaytrack.reid.checkpoint import load_info, load_model
from relaytrack.reid.errors import TrainingError, WeightsError
from relaytrack.reid.model import ModelSpec, build_model
from relaytrack.reid.network_input import to_network
from relaytrack.reid.training.finish import finish, read_checkpoint
from relaytrack.reid.training.start import prepare
from relaytrack.reid.training.statistics import alone, with_measured_statistics
from relaytrack.reid.training.trainer import Trainer


def weights_of(trainer: Trainer) -> dict[str, torch.Tensor]:
    assert trainer.average is not None
    mine = {f"model.{name}": tensor for name, tensor in trainer.model.state_dict().items()}
    return mine | {f"average.{name}": tensor for name, tensor in trainer.average.module.state_dict().items()}


def test_a_resumed_run_is_bit_identical(ten_people: Path, tmp_path: Path) -> None:
    whole = prepare(config(ten_people, tmp_path / "whole", loss={"centre": 0.01}))
    whole.run()
    first = prepare(config(ten_people, tmp_path / "parts", loss={"centre": 0.01}))
    stop_after(first, 2)
    second = prepare(
        config(ten_people, tmp_path / "parts", loss={"centre": 0.01}), resume=tmp_path / "parts" / "last.pt"
    )
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


def test_a_run_leaves_logs_curves_and_calibrated_weights(ten_people: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    trainer = prepare(config(ten_people, out, iterations=3, precision="bf16", log_every=1))
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
    assert str(ten_people) not in info.recipe
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


def test_measured_statistics_centre_the_embeddings(ten_people: Path, tmp_path: Path) -> None:
    trainer = prepare(config(ten_people, tmp_path, model={"init": "scratch"}))
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


def test_low_resolution_first_then_attention_and_frozen_stages(ten_people: Path, tmp_path: Path) -> None:
    low = [{"until": 0.5, "height": 32, "width": 32}]
    trainer = prepare(
        config(ten_people, tmp_path, model={"height": 64}, low_resolution=low, freeze_stages=1, optim={"warmup": 0.0})
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


def test_accumulated_gradients_are_those_of_the_whole_batch(ten_people: Path, tmp_path: Path) -> None:
    made = {}
    for accumulate in (1, 2):
        trainer = prepare(
            config(
                ten_people,
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


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_checkpoint(ten_people: Path, tmp_path: Path) -> None:
    trainer = prepare(config(ten_people, tmp_path))
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


@pytest.mark.parametrize("head", ["bnneck", "stripes"])
def test_other_losses_optimisers_and_heads_run(ten_people: Path, tmp_path: Path, head: str) -> None:
    model = {"head": head, "attention": "none"}
    if head == "stripes":
        model |= {"height": 192}
    trainer = prepare(
        config(
            ten_people,
            tmp_path,
            iterations=1,
            model=model,
            loss={"circle": 0.1, "triplet": float(head == "bnneck"), "margin": None},
            optim={"name": "sgd", "schedule": "step", "clip": 5.0},
        )
    )
    trainer.run()
    assert trainer.step == 1


def test_the_backbone_may_learn_more_slowly(ten_people: Path, tmp_path: Path) -> None:
    optim = {"name": "sgd", "lr": 0.1, "backbone_factor": 0.25, "warmup": 0.0, "schedule": "step"}
    trainer = prepare(config(ten_people, tmp_path, iterations=1, optim=optim))
    rates = {id(p): group["lr"] for group in trainer.optimizer.param_groups for p in group["params"]}
    assert {rates[id(p)] for p in trainer.model.backbone.parameters()} == {0.025}
    assert {rates[id(p)] for p in trainer.model.attention.parameters()} == {0.1}
    assert {rates[id(p)] for p in trainer.model.head.parameters()} == {0.1}
    assert len(rates) == len(list(trainer.model.parameters()))
    trainer.run()
    assert {group["lr"] for group in trainer.optimizer.param_groups} == {0.1, 0.025}
