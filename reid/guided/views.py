"""Two random views of each crop: a plain one for the teachers, a worse one for the student.

The student learns to see in a bad picture what the teachers see in a good one. Both share what makes a new person:
turned colours, and the legs of somebody else.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from relaytrack.reid.guided.degrade import blur, cover, few_pixels, jpeg, noise


class Views(NamedTuple):
    """What a batch of crops becomes.

    Attributes:
        plain: (B, 3, 256, 128) float32 RGB in 0..1, for the teachers.
        worse: (B, 3, height, width) the same people, for the student.
        whole: (B,) False for those put together from two people.
    """

    plain: Tensor
    worse: Tensor
    whole: Tensor


def random_views(
    crops: Tensor, size: tuple[int, int], random: np.random.Generator, *, same: Tensor | None = None
) -> Views:
    """Draw both views.

    Args:
        crops: (B, 256, 128, 3) uint8 RGB.
        size: (height, width) of the student's input, multiples of 8.
        random: for choices per batch; torch's own generator draws what differs between pictures.
        same: (B,) True where nobody new is made: there the teachers need no view, and `plain` means nothing.
    """
    x = crops.permute(0, 3, 1, 2).float() / 255
    count, device = len(x), x.device
    whole = torch.ones(count, dtype=torch.bool, device=device)
    may = torch.arange(count, device=device) if same is None else torch.nonzero(~same)[:, 0]
    some = may[_some(len(may), 0.15, device)]
    x[some], whole[some] = _two_people(x[some]), False
    some = may[_some(len(may), 0.25, device)]
    x[some] = colours(x[some], 0.8, math.pi)
    x = _warped(x, boxes(count, device, scale=0.10, shift=0.05, cut=0.04, flip=False))
    y = _warped(x, boxes(count, device, scale=0.08, shift=0.04, cut=0.10, flip=True))
    some = _some(count, 0.6, device)
    y[some] = colours(y[some], 0.55, 0.15)
    y = F.interpolate(y, size=size, mode="bilinear", align_corners=False, antialias=random.random() < 0.5)
    some = _some(count, 0.35, device)
    y[some] = few_pixels(y[some], random)
    some = _some(count, 0.2, device)
    y[some] = blur(y[some], random)
    some = _some(count, 0.15, device)
    y[some] = noise(y[some])
    some = _some(count, 0.3, device)
    y[some] = jpeg(y[some])
    some = _some(count, 0.04, device)
    y[some] = y[some].mean(1, keepdim=True).expand(-1, 3, -1, -1)
    return Views(x, cover(y, 0.35), whole)


def _some(count: int, share: float, device: torch.device) -> Tensor:
    """Random indices of a fixed share of the batch, at least one (of none, none)."""
    return torch.randperm(count, device=device)[: max(1, round(share * count))]


def _two_people(x: Tensor) -> Tensor:
    """The upper part of each picture with the lower part of another one."""
    height = x.shape[2]
    line = (0.4 + 0.2 * torch.rand(len(x), device=x.device)) * height
    lower = torch.arange(height, device=x.device)[None] >= line[:, None]
    return torch.where(lower[:, None, :, None], x[torch.randperm(len(x), device=x.device)], x)


def boxes(count: int, device: torch.device, *, scale: float, shift: float, cut: float, flip: bool) -> Tensor:
    """Random boxes around people, as affine maps (B, 2, 3) for `affine_grid`.

    Args:
        count: B.
        device: where to make them.
        scale: largest logarithm of the change of either side.
        shift: largest shift, as a part of the side.
        cut: share of boxes that hold 50 to 90 % of the height only, mostly the upper part.
        flip: mirror half of them.
    """

    def within(limit: float) -> Tensor:
        return (torch.rand(count, device=device) * 2 - 1) * limit

    sx, sy = torch.exp(within(scale)), torch.exp(within(scale))
    tx, ty = within(2 * shift), within(2 * shift)
    short = torch.rand(count, device=device) < cut
    part = 0.5 + 0.4 * torch.rand(count, device=device)
    low = torch.rand(count, device=device) < 0.2
    sy, ty = torch.where(short, part, sy), torch.where(short, torch.where(low, 1 - part, part - 1), ty)
    if flip:
        sx = torch.where(torch.rand(count, device=device) < 0.5, -sx, sx)
    zero = torch.zeros_like(sx)
    return torch.stack([torch.stack([sx, zero, tx], 1), torch.stack([zero, sy, ty], 1)], 1)


def _warped(x: Tensor, maps: Tensor) -> Tensor:
    grid = F.affine_grid(maps, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)


def colours(x: Tensor, strength: float, turn: float) -> Tensor:
    """Other colours: saturation, hue, gamma, contrast, brightness and cast.

    Args:
        x: (B, 3, H, W) in 0..1.
        strength: 0 changes nothing but the hue, 1 a lot.
        turn: largest angle around the grey axis, radians.
    """
    count, device = len(x), x.device

    def within(*shape: int) -> Tensor:
        return (torch.rand(count, *shape, device=device) * 2 - 1) * strength

    angle = (torch.rand(count, 1, 1, device=device) * 2 - 1) * turn
    grey = torch.full((3, 3), 1 / 3, device=device)
    cross = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]], device=device) / math.sqrt(3)
    turned = angle.cos() * (torch.eye(3, device=device) - grey) + angle.sin() * cross
    x = torch.einsum("nij,njhw->nihw", grey + (1 + 0.5 * within(1, 1)) * turned, x).clamp(1e-4, 1)
    x = x ** torch.exp(0.5 * within(1, 1, 1))
    x = (x - 0.5) * (1 + 0.4 * within(1, 1, 1)) + 0.5
    return (x * (1 + 0.4 * within(1, 1, 1)) * (1 + 0.15 * within(3, 1, 1))).clamp(0, 1)
