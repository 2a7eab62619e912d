"""A network made ready to learn: on its device, with the norms and layers that training needs there."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from relaytrack.reid.model import ReidModel
from relaytrack.reid.training.config import TrainingRunConfig
from relaytrack.reid.training.regularise import MixStyle
from relaytrack.reid.training.speedup import decimate_strided_depthwise
from relaytrack.reid.training.sync_norm import synchronise_norms

# `relaytrack.reid.training.sync_norm` keeps the buffers alike; newer versions of torch have another name for that.
_NAMES = inspect.signature(DistributedDataParallel.__init__).parameters
_KEEP_BUFFERS: dict[str, Any] = {
    "forward_sync_buffers" if "forward_sync_buffers" in _NAMES else "broadcast_buffers": False
}


def placed(model: ReidModel, run: TrainingRunConfig, device: torch.device, world: int) -> ReidModel:
    """The network on its device; norms take their statistics over all processes where the run wants it."""
    model = model.to(device)
    if run.channels_last:
        model = model.to(memory_format=torch.channels_last)
    if world > 1 and run.sync_norm and device.type == "cuda":
        converted = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
        assert isinstance(converted, ReidModel)
        model = converted
    if device.type == "cpu":
        decimate_strided_depthwise(model)
        if world > 1 and run.sync_norm:
            synchronise_norms(model)
    return model


def mix_styles(model: ReidModel, probability: float) -> None:
    """Let the first two stages mix the pictures' styles in training."""
    for stage in (0, 1):
        block = model.backbone.blocks()[stage]
        last = list(block.children())[-1] if isinstance(block, nn.Sequential) else block
        MixStyle(probability).attach(last)


def ready(model: ReidModel, run: TrainingRunConfig, world: int, *, full: bool) -> nn.Module:
    """The network in training mode, for several processes where there are any.

    Args:
        model: with the attention that this part of the run has.
        run: freezes stages and norms.
        world: processes.
        full: whether the images have their full size: from then on the first stages may be frozen.
    """
    for block in model.backbone.blocks()[: run.freeze_stages]:
        block.requires_grad_(not full)
    model.train()
    if run.freeze_norm:
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
    if world == 1:
        return model
    warnings.filterwarnings("ignore", message="Grad strides do not match")  # 1 x 1 kernels, channels last
    return DistributedDataParallel(model, **_KEEP_BUFFERS)
