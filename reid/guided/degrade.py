"""What cameras do to pictures, on whole batches: few pixels, blur, JPEG blocks, covered parts.

Pictures are float32 (B, 3, H, W) in 0..1; each function gives new ones of the same shape. Strengths are random.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

_QUANTISATION = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)  # luminance at quality 50, JPEG standard (ITU-T T.81), annex K
_GROUPS = 4  # strengths per batch, where one strength needs one call


def few_pixels(x: Tensor, random: np.random.Generator) -> Tensor:
    """Shrunk to 16 to 70 % and enlarged again, as of somebody far away."""
    height, width = x.shape[2:]
    parts = []
    for part in x.chunk(_GROUPS):
        factor = random.uniform(0.16, 0.7)
        size = (max(16, int(height * factor)), max(8, int(width * factor)))
        small = F.interpolate(part, size=size, mode="bilinear", align_corners=False, antialias=random.random() < 0.7)
        mode = "bilinear" if random.random() < 0.6 else "bicubic"
        parts.append(F.interpolate(small, size=(height, width), mode=mode, align_corners=False).clamp(0, 1))
    return torch.cat(parts)


def blur(x: Tensor, random: np.random.Generator) -> Tensor:
    """Gaussian of 0.4 to 1.6 pixels; sometimes in the vertical alone."""
    parts = []
    for part in x.chunk(_GROUPS):
        sigma = random.uniform(0.4, 1.6)
        reach = math.ceil(2 * sigma)
        kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, device=x.device) / sigma) ** 2)
        kernel = (kernel / kernel.sum()).view(1, 1, -1, 1).expand(3, 1, -1, 1)
        part = F.conv2d(F.pad(part, (0, 0, reach, reach), mode="replicate"), kernel, groups=3)
        if random.random() < 0.6:
            across = kernel.transpose(2, 3)
            part = F.conv2d(F.pad(part, (reach, reach, 0, 0), mode="replicate"), across, groups=3)
        parts.append(part)
    return torch.cat(parts)


def noise(x: Tensor) -> Tensor:
    """Gaussian noise of up to 6 % of the range."""
    strength = 0.06 * torch.rand(len(x), 1, 1, 1, device=x.device)
    return (x + torch.randn_like(x) * strength).clamp(0, 1)


def jpeg(x: Tensor) -> Tensor:
    """Quantised as by JPEG at quality 12 to 72, without chroma subsampling; H and W are multiples of 8."""
    count, _, height, width = x.shape
    device = x.device
    to_ycc = torch.tensor([[0.299, 0.587, 0.114], [-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]], device=device)
    level = torch.tensor([128.0, 0.0, 0.0], device=device).view(1, 3, 1, 1)
    k = torch.arange(8, device=device, dtype=torch.float32)
    cosines = torch.cos((2 * k[None] + 1) * k[:, None] * math.pi / 16) / 2
    cosines[0] *= math.sqrt(0.5)
    luminance = torch.tensor(_QUANTISATION, device=device, dtype=torch.float32)
    table = torch.stack([luminance, *[luminance.clamp_min(17) * 1.2] * 2])
    quality = torch.rand(count, device=device) * 60 + 12
    scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality) / 100
    steps = (table * scale[:, None, None, None]).clamp_min(1)[:, :, None, None]
    ycc = torch.einsum("ij,njhw->nihw", to_ycc, x * 255) - level
    blocks = ycc.view(count, 3, height // 8, 8, width // 8, 8).transpose(3, 4)
    coded = ((cosines @ blocks @ cosines.T) / steps).round() * steps
    decoded = (cosines.T @ coded @ cosines).transpose(3, 4).reshape(count, 3, height, width) + level
    return (torch.einsum("ij,njhw->nihw", torch.linalg.inv(to_ycc), decoded) / 255).clamp(0, 1)


def cover(x: Tensor, probability: float) -> Tensor:
    """A rectangle of 2 to 30 % of some pictures covered by noise, one colour or a part of another picture.

    After random erasing (Zhong et al., AAAI 2020).
    """
    count, _, height, width = x.shape
    device = x.device
    r = torch.rand(4, count, device=device)
    area, aspect = 0.02 + 0.28 * r[0], torch.exp((r[1] * 2 - 1) * math.log(3.3))
    tall = (area * aspect).sqrt().clamp(max=0.95) * height
    wide = (area / aspect).sqrt().clamp(max=0.95) * width
    top, left = r[2] * (height - tall), r[3] * (width - wide)
    rows = torch.arange(height, device=device)[None, :, None]
    columns = torch.arange(width, device=device)[None, None]
    inside = (rows >= top[:, None, None]) & (rows < (top + tall)[:, None, None])
    inside = inside & (columns >= left[:, None, None]) & (columns < (left + wide)[:, None, None])
    inside = inside & (torch.rand(count, device=device) < probability)[:, None, None]
    kind = torch.rand(count, 1, 1, 1, device=device)
    plain = torch.rand(count, 3, 1, 1, device=device).expand_as(x)
    other = x[torch.randperm(count, device=device)].flip(2)
    filling = torch.where(kind < 0.35, torch.rand_like(x), torch.where(kind < 0.65, plain, other))
    return torch.where(inside[:, None], filling, x)
