"""A training in two processes equals one in a single process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from support.small_training import config

from relaytrack.reid.training import distributed
from relaytrack.reid.training.config import TrainConfig
from relaytrack.reid.training.start import prepare

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


def test_two_processes_equal_one(ten_people: Path, tmp_path: Path) -> None:
    """Five steps of the trainer to 1e-5 in the weights, with batch norm in eval mode: from random weights its
    training mode makes a difference of one rounding grow past any tolerance within five steps. The script holds
    batch norm in training mode to one step's values and gradients.
    """
    import yaml

    def settings(name: str) -> TrainConfig:
        return config(
            ten_people,
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
