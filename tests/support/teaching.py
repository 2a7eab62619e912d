"""Small networks that tell crops apart, and such crops, for a student and its teacher."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import torch

from relaytrack.reid.checkpoint import WeightsInfo, save_model
from relaytrack.reid.model import ModelSpec, ReidModel, build_model

SPEC = ModelSpec(backbone="osnet_x0_25", height=64, width=32, embedding_dim=16)


def settle_norms(model: ReidModel, images: torch.Tensor) -> None:
    """Take the batch norms' statistics from images, so that the network's output really depends on its input.

    Not those of the attention: a random network's relations hardly vary, and dividing by their spread would
    magnify rounding a hundredfold.
    """
    norms = [
        module
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.BatchNorm2d | torch.nn.BatchNorm1d) and not name.startswith("attention.")
    ]
    kept = {name: buffer.clone() for name, buffer in model.attention.named_buffers()}
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        model.train()(images)
    for norm in norms:
        norm.momentum = 0.1
    for name, buffer in model.attention.named_buffers():
        buffer.copy_(kept[name])
    model.eval()


def write_crop(path: Path, seed: int) -> None:
    """Write a crop of made-up colours."""
    draw = np.random.default_rng(seed)
    colours = draw.integers(0, 256, (4, 2, 3), dtype=np.uint8)
    image = cv2.resize(colours, (32, 64), interpolation=cv2.INTER_LINEAR)
    assert cv2.imwrite(str(path), cv2.add(image, draw.integers(0, 20, image.shape, dtype=np.uint8)))


def save_network(path: Path, noise: float = 0.0, **changes: object) -> Path:
    """A network that tells crops apart; with noise another one that does it similarly."""
    torch.manual_seed(0)
    model = build_model(dataclasses.replace(SPEC, **changes))  # type: ignore[arg-type]
    project = model.head.project
    assert isinstance(project, torch.nn.Linear)
    draw = torch.Generator().manual_seed(1)
    weight = torch.randn(SPEC.embedding_dim or 0, project.in_features, generator=draw)
    with torch.no_grad():
        project.weight.copy_(noise * torch.randn(project.weight.shape, generator=draw))
        project.weight[: len(weight)] += weight
    settle_norms(model, torch.randn(16, 3, model.spec.height, model.spec.width))
    return save_model(path, model, WeightsInfo(name=path.stem, threshold=0.4, licence="mine", dataset="nothing"))
