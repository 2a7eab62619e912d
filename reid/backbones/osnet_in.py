"""OSNet with instance norm at its entrance, in the form of Open Model Zoo's person-reidentification-retail networks.

The blocks are those of OSNet (Zhou et al., *Omni-Scale Feature Learning for Person Re-Identification*, ICCV 2019).
What differs from `relaytrack.reid.backbones.osnet`:

- The image itself and the stem's output pass an instance norm, so brightness, contrast and the tint of a camera have
  little effect. This is a large part of why these networks work on cameras that training has not seen.
- The second block of each pair weighs its streams by a gate without layers of its own: channel means are normalised
  over groups and take a scale and a shift per channel (linear context transform, Ruan et al., AAAI 2020).
- There are no batch norms: they are folded into the convolutions, which have biases instead. The weights come from
  files in that form (`relaytrack.reid.inherit`), and short training does not need the norms.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from relaytrack.reid.backbones.base import Backbone, Stage


class InstanceLightConv(nn.Module):
    """The paper's "lite 3 x 3": pointwise without a non-linearity, then depthwise 3 x 3 with a bias, ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 1, bias=False)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        return F.relu(self.conv2(self.conv1(x)))


class SqueezeGate(nn.Module):
    """Channel weights (B, C, 1, 1) from channel means, through two small layers."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // reduction, 1)
        self.fc2 = nn.Conv2d(channels // reduction, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """The stream (B, C, H, W), weighted."""
        pooled = x.mean(dim=(2, 3), keepdim=True)
        return x * torch.sigmoid(self.fc2(F.relu(self.fc1(pooled))))


class ContextGate(nn.Module):
    """Channel weights from channel means normalised within 16 groups (8 where 16 do not divide the channels)."""

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(channels))
        self.bias = nn.Parameter(torch.ones(channels))
        self.eps = eps
        self.groups = 16 if channels % 16 == 0 else 8

    def forward(self, x: Tensor) -> Tensor:
        """The stream (B, C, H, W), weighted."""
        channels = x.shape[1]
        pooled = x.mean(dim=(2, 3)).float().view(-1, self.groups, channels // self.groups)
        centred = pooled - pooled.mean(dim=2, keepdim=True)
        normal = centred / torch.sqrt((centred * centred).mean(dim=2, keepdim=True) + self.eps)
        gate = torch.sigmoid(normal.reshape(-1, channels) * self.weight + self.bias)
        return x * gate.to(x.dtype).view(-1, channels, 1, 1)


class InstanceOmniScaleBlock(nn.Module):
    """Four streams of one to four lite convolutions, gated, summed and added to the input."""

    def __init__(self, inputs: int, outputs: int, *, context: bool, middle: int | None = None) -> None:
        super().__init__()
        middle = middle or outputs // 4
        self.conv1 = nn.Conv2d(inputs, middle, 1)
        self.conv2a = nn.Sequential(InstanceLightConv(middle))
        self.conv2b = nn.Sequential(*(InstanceLightConv(middle) for _ in range(2)))
        self.conv2c = nn.Sequential(*(InstanceLightConv(middle) for _ in range(3)))
        self.conv2d = nn.Sequential(*(InstanceLightConv(middle) for _ in range(4)))
        self.gate: nn.Module = ContextGate(middle) if context else SqueezeGate(middle)
        self.conv3 = nn.Conv2d(middle, outputs, 1)
        self.downsample = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H, W)."""
        start = F.relu(self.conv1(x))
        mixed = self.gate(self.conv2a(start))
        for stream in (self.conv2b, self.conv2c, self.conv2d):
            mixed = mixed + self.gate(stream(start))
        same = x if self.downsample is None else self.downsample(x)
        return F.relu(same + self.conv3(mixed))


class Transition(nn.Module):
    """1 x 1 convolution, ReLU and mean over 2 x 2 cells: half the resolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H / 2, W / 2)."""
        return F.avg_pool2d(F.relu(self.conv(x)), 2)


class Stem(nn.Module):
    """Instance norm of the image, 7 x 7 convolution of stride 2, instance norm, ReLU, 3 x 3 maximum of stride 2."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.image_norm = nn.InstanceNorm2d(3, affine=True)
        self.conv = nn.Conv2d(3, channels, 7, 2, 3, bias=False)
        self.norm = nn.InstanceNorm2d(channels, affine=True)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, C, H / 4, W / 4)."""
        x = self.norm(self.conv(self.image_norm(images)))
        return F.max_pool2d(F.relu(x), 3, 2, 1)


class OSNetIN(Backbone):
    """OSNet with instance norm; `last_stride` has no meaning here (the end is at 1/16 anyway).

    Args:
        width: multiplier of the channels (64, 256, 384, 512).
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        self.width = width
        c0, c1, c2, c3 = (int(channels * width) for channels in (64, 256, 384, 512))
        self.stem = Stem(c0)
        self.conv2 = nn.Sequential(
            InstanceOmniScaleBlock(c0, c1, context=False), InstanceOmniScaleBlock(c1, c1, context=True), Transition(c1)
        )
        self.conv3 = nn.Sequential(
            InstanceOmniScaleBlock(c1, c2, context=False), InstanceOmniScaleBlock(c2, c2, context=True), Transition(c2)
        )
        self.conv4 = nn.Sequential(
            InstanceOmniScaleBlock(c2, c3, context=False), InstanceOmniScaleBlock(c3, c3, context=True)
        )
        self.conv5 = nn.Sequential(nn.Conv2d(c3, c3, 1), nn.ReLU(inplace=True))
        self.channels = c3
        self.stages = (Stage(c1, 4), Stage(c2, 8), Stage(c3, 16), Stage(c3, 16))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def blocks(self) -> Sequence[nn.Module]:
        """The stem with the first pair of blocks, the other two pairs after their transitions, the last 1 x 1."""
        return (
            nn.Sequential(self.stem, self.conv2[:2]),
            nn.Sequential(self.conv2[2], self.conv3[:2]),
            nn.Sequential(self.conv3[2], self.conv4),
            self.conv5,
        )
