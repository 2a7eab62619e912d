"""The optimiser of a configuration, and the groups of its tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from relaytrack.reid.model import ReidModel
from relaytrack.reid.training.config import OptimConfig

_NEW = ("attention", "head.project", "head.neck", "head.classifier")


def optimiser_of(
    config: OptimConfig, model: ReidModel, others: Sequence[tuple[float, Sequence[nn.Parameter]]] = ()
) -> torch.optim.Optimizer:
    """Make it.

    Args:
        config: its kind and rates.
        model: the backbone may learn at a rate of its own; norms and biases do not decay.
        others: further tensors with their rates, which do not decay.
    """
    parts = [(config.lr, list(model.parameters()))]
    if config.backbone_factor != 1:
        body = {id(p) for p in model.backbone.parameters()}
        parts = [
            (config.lr, [p for p in model.parameters() if id(p) not in body]),
            (config.lr * config.backbone_factor, list(model.backbone.parameters())),
        ]
    groups: list[dict[str, Any]] = []
    for rate, parameters in parts:
        plain = [p for p in parameters if p.ndim > 1]
        flat = [p for p in parameters if p.ndim <= 1]
        groups.append({"params": plain, "lr": rate, "weight_decay": config.weight_decay})
        groups.append({"params": flat, "lr": rate, "weight_decay": 0.0})
    groups += [{"params": list(some), "lr": rate, "weight_decay": 0.0} for rate, some in others if some]
    if config.name == "sgd":
        return torch.optim.SGD(groups, momentum=config.momentum, nesterov=config.momentum > 0)
    return (torch.optim.AdamW if config.name == "adamw" else torch.optim.Adam)(groups)


def optimiser_of_inherited(model: ReidModel, rate: float, weight_decay: float) -> torch.optim.Optimizer:
    """AdamW for a network with inherited tensors: what is new in it learns at twice the rate."""
    new = [p for name, p in model.named_parameters() if name.startswith(_NEW)]
    known = {id(p) for p in new}
    old = [p for p in model.parameters() if id(p) not in known]
    groups = [{"params": old, "lr": rate}, {"params": new, "lr": 2 * rate}]
    return torch.optim.AdamW(groups, weight_decay=weight_decay)


def load_optimiser(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Take a checkpoint's state; earlier versions called a group's rate at the start "base"."""
    optimizer.load_state_dict(state)
    for group in optimizer.param_groups:
        if "base" in group:
            group["initial_lr"] = group.pop("base")
