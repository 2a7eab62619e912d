"""Checks whether a checkpoint belongs to this run, before its tensors are loaded, so that the message is clear."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from relaytrack.reid.datasets.base import Split
from relaytrack.reid.training.config import TrainConfig

# Settings that shape what a checkpoint holds beside the network.
_SHAPING = ("loss.centre", "distil.teachers", "optim.name", "optim.backbone_factor", "run.ema")


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
