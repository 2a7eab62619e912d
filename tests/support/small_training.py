"""The configuration of a training of seconds: a tiny network at 32 x 32 pixels, four steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from relaytrack.reid.training.config import TrainConfig
from relaytrack.reid.training.config_file import parse_config


def config(people: Path, out: Path, **run: Any) -> TrainConfig:
    """Train on a folder of people; `run` and whole sections ("model", "loss", ...) add to what is here."""
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
