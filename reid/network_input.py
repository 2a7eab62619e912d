"""Pictures as a network takes them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from relaytrack.reid.imagenet import IMAGENET_MEAN, IMAGENET_STD


def to_network(images: NDArray[np.uint8], device: torch.device, *, channels_last: bool = True) -> Tensor:
    """uint8 RGB (B, H, W, 3) -> ImageNet-normalised float32 (B, 3, H, W) on the device."""
    x = torch.from_numpy(images).to(device, non_blocking=True).permute(0, 3, 1, 2).float()
    mean = torch.tensor(IMAGENET_MEAN, device=device).mul(255)[:, None, None]
    std = torch.tensor(IMAGENET_STD, device=device).mul(255)[:, None, None]
    x = (x - mean) / std
    return x.contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)
