"""The first step towards new teachers: the head begins as a regression on what they say."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from relaytrack.reid.depthwise_head import GlobalDepthwiseHead
from relaytrack.reid.guided.pictures import TrainingPictures
from relaytrack.reid.guided.teacher import Teachers, normalised
from relaytrack.reid.model import ReidModel

_PICTURES = 8192


@torch.no_grad()
def regress_head(model: ReidModel, ask: Teachers, pictures: TrainingPictures, batch: int) -> None:
    """Let every part of the head begin as a ridge regression of its teacher on the pooled map, in place.

    Args:
        model: a network whose depthwise head has a part per teacher.
        ask: the teachers.
        pictures: at most 8192 of them are looked at, as they are.
        batch: pictures at a time; the teachers' own.
    """
    head = model.head
    assert isinstance(head, GlobalDepthwiseHead)
    model.eval()
    count = min(_PICTURES, len(pictures.images)) // batch * batch
    chosen = torch.randperm(len(pictures.images), device=pictures.images.device)[:count]
    inputs, targets = [], []
    for some in torch.split(chosen, batch):
        x = pictures.images[some].permute(0, 3, 1, 2).float() / 255
        targets.append(torch.cat(ask(x), dim=1).double())
        inputs.append(head.pooled(model.feature_map(normalised(resized(x, model)))).double())
    x, y = torch.cat(inputs), torch.cat(targets)
    ridge = 5e-5 * len(x) * x.var(0).mean()
    x = torch.cat([x, torch.ones_like(x[:, :1])], dim=1)
    solved = torch.linalg.solve(x.T @ x + ridge * torch.eye(x.shape[1], dtype=x.dtype, device=x.device), x.T @ y)
    head.project.weight.copy_(solved[:-1].T)
    head.project.bias.copy_(solved[-1])


def resized(pictures: Tensor, model: ReidModel) -> Tensor:
    """Pictures (B, 3, H, W) at the network's input size, as the pipeline resizes crops (bilinear)."""
    return F.interpolate(pictures, size=(model.spec.height, model.spec.width), mode="bilinear", align_corners=False)
