"""What a checkpoint of `reid train` holds, and whether one belongs to a run, before its tensors are loaded."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from relaytrack.reid.datasets.base import Split
from relaytrack.reid.errors import TrainingError
from relaytrack.reid.model import ReidModel
from relaytrack.reid.training.checkpoints import load_state
from relaytrack.reid.training.config import TrainConfig
from relaytrack.reid.training.ema import steps_of
from relaytrack.reid.training.groups import load_optimiser
from relaytrack.reid.training.objective import Objective

# Settings that shape what a checkpoint holds beside the network.
_SHAPING = ("loss.centre", "distil.teachers", "optim.name", "optim.backbone_factor", "run.ema")


class Resumable(Protocol):
    """What a checkpoint is made of (`relaytrack.reid.training.trainer.Trainer`)."""

    config: TrainConfig
    device: torch.device
    train: Split
    labels: NDArray[np.int64]
    model: ReidModel
    average: AveragedModel | None
    objective: Objective
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    step: int
    minutes: float
    best: float

    def whole(self) -> AbstractContextManager[ReidModel]:
        """The network with its attention, also while it learns without."""
        ...


def trainer_state(trainer: Resumable) -> dict[str, Any]:
    """Everything that a run needs to go on, as tensors and plain values."""
    average, objective = trainer.average, trainer.objective
    centre, distillation = objective.identity.centre, objective.distillation
    with trainer.whole() as model:
        return {
            "spec": model.spec.to_dict(),
            "step": trainer.step,
            "minutes": trainer.minutes,
            "best": trainer.best,
            "config": trainer.config.dump(),
            "classes": model.num_classes,
            "people": faces(trainer.train, trainer.labels),
            "model": model.state_dict(),
            "average": None if average is None else average.module.state_dict(),
            "average_steps": 0 if average is None else int(average.n_averaged) - 1,
            "optimizer": trainer.optimizer.state_dict(),
            "centre": None if centre is None else centre.state_dict(),
            "distillation": None if distillation is None else distillation.state_dict(),
            "scaler": trainer.scaler.state_dict(),
        }


def restore(trainer: Resumable, path: Path) -> None:
    """Put a checkpoint's state into a trainer.

    Raises:
        TrainingError: the file is missing or unreadable, or of another network, other settings or other people.
    """
    state = load_state(path, trainer.device)
    try:
        reason = (
            why_other_run(state, trainer.config)
            or why_other_people(state, trainer.train, trainer.labels)
            or why_other_tensors(state["model"], trainer.model.state_dict())
        )
    except Exception as error:  # whatever else a file of tensors and values may hold
        raise TrainingError(f"cannot resume from {path}: it is no training checkpoint") from error
    if reason is not None:
        raise TrainingError(
            f"cannot resume from {path}: {reason}; to go on with other people or settings, start anew with "
            "model.init=FILE (weights.safetensors of the run, or `relaytrack reid export` of the checkpoint)"
        )
    try:
        trainer.model.load_state_dict(state["model"])
        if trainer.average is not None:
            trainer.average.module.load_state_dict(state["average"])
            steps_of(trainer.average, state["average_steps"])
        objective = trainer.objective
        if objective.identity.centre is not None:
            objective.identity.centre.load_state_dict(state["centre"])
        if objective.distillation is not None:
            objective.distillation.load_state_dict(state["distillation"])
        load_optimiser(trainer.optimizer, state["optimizer"])
        trainer.scaler.load_state_dict(state["scaler"])
        trainer.step, trainer.minutes, trainer.best = state["step"], state["minutes"], state["best"]
    except Exception as error:
        detail = " ".join(str(error).split())
        raise TrainingError(f"cannot resume from {path}: {detail or type(error).__name__}") from error


def faces(train: Split, labels: NDArray[np.int64]) -> list[str]:
    """For each class the file name of its first image: by these a later run sees whether it has the same people.

    Args:
        train: the training images.
        labels: (N,) class of each.
    """
    names: dict[int, str] = {}
    for path, label in zip(train.paths, labels.tolist(), strict=True):
        names[label] = min(names.get(label, path.name), path.name)
    return [names[label] for label in range(len(names))]


def why_other_people(state: Mapping[str, Any], train: Split, labels: NDArray[np.int64]) -> str | None:
    """Why a checkpoint was made with other people than `train`'s; None where nothing says so."""
    now = len(train.identities)
    if state["classes"] != now:
        return f"it was trained on {state['classes']} people, and the data now have {now}"
    known = state.get("people")
    if known is None:  # a checkpoint of an earlier version
        return None
    label_of = {path.name: label for path, label in zip(train.paths, labels.tolist(), strict=True)}
    there = [(name, label) for label, name in enumerate(known) if name in label_of]
    if not there:
        return f"none of its people is among the data now ({known[0]}, for one)"
    moved = next((name for name, label in there if label_of[name] != label), None)
    if moved is not None:
        return f"people have been added or removed since (the person of {moved} has another number now)"
    return None


def why_other_run(state: Mapping[str, Any], config: TrainConfig) -> str | None:
    """Which setting that must stay as it was has changed since a checkpoint, or None."""
    stored, now, standard = state["config"], config.dump(), TrainConfig().dump()
    keys = [f"model.{key}" for key in now["model"] if key != "init"] + list(_SHAPING)
    for key in keys:
        section, name = key.split(".")
        after = now[section][name]
        before = stored.get(section, {}).get(name, standard[section][name])
        if key in ("loss.centre", "run.ema"):  # only whether there is one
            before, after = before or None, after or None
            if (before is None) == (after is None):
                continue
        if before != after:
            return f"it was made with {key}={_said(before)}, and the configuration says {_said(after)}"
    return None


def why_other_tensors(stored: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str | None:
    """The first tensor in which a checkpoint's network differs from this one, or None."""
    for name, tensor in wanted.items():
        if name not in stored:
            return f"it belongs to another network: it has no {name}"
        if stored[name].shape != tensor.shape:
            theirs, ours = tuple(stored[name].shape), tuple(tensor.shape)
            return f"it belongs to another network: {name} is {theirs} instead of {ours}"
    extra = next((name for name in stored if name not in wanted), None)
    return None if extra is None else f"it belongs to another network: nothing here is called {extra}"


def _said(value: Any) -> str:
    return "none" if value is None else str(value)
