"""OSNet: omni-scale features from light convolutions.

Zhou, Yang, Cavallaro, Xiang: *Omni-Scale Feature Learning for Person Re-Identification*, ICCV 2019. Written
from the paper; parameter names as in the authors' release, so that its weights can be loaded.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from relaytrack.reid.backbones.base import Backbone, Stage


class ConvNorm(nn.Module):
    """Convolution, batch norm and (unless linear) ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, *, linear: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)
        self.relu: nn.Module = nn.Identity() if linear else nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H / stride, W / stride)."""
        return self.relu(self.bn(self.conv(x)))  # type: ignore[no-any-return]


class LightConv(nn.Module):
    """The paper's "lite 3 x 3": pointwise without a non-linearity, then depthwise 3 x 3."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 1, bias=False)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.bn = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        return self.relu(self.bn(self.conv2(self.conv1(x))))  # type: ignore[no-any-return]


class AggregationGate(nn.Module):
    """Channel weights from the stream itself, shared by the four streams."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // reduction, 1)
        self.relu = nn.ReLU(inplace=True)
        self.fc2 = nn.Conv2d(channels // reduction, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """The stream (B, C, H, W), weighted."""
        pooled = x.mean(dim=(2, 3), keepdim=True)
        return x * torch.sigmoid(self.fc2(self.relu(self.fc1(pooled))))


class OmniScaleBlock(nn.Module):
    """Four streams of one to four lite convolutions, gated, summed and added to the input."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        middle = outputs // 4
        self.conv1 = ConvNorm(inputs, middle)
        self.conv2a = LightConv(middle)
        self.conv2b = nn.Sequential(*(LightConv(middle) for _ in range(2)))
        self.conv2c = nn.Sequential(*(LightConv(middle) for _ in range(3)))
        self.conv2d = nn.Sequential(*(LightConv(middle) for _ in range(4)))
        self.gate = AggregationGate(middle)
        self.conv3 = ConvNorm(middle, outputs, linear=True)
        self.downsample = ConvNorm(inputs, outputs, linear=True) if inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H, W)."""
        start = self.conv1(x)
        streams = (self.conv2a, self.conv2b, self.conv2c, self.conv2d)
        mixed = sum((self.gate(stream(start)) for stream in streams[1:]), self.gate(streams[0](start)))
        same = x if self.downsample is None else self.downsample(x)
        return (same + self.conv3(mixed)).relu()  # type: ignore[no-any-return]


class OSNet(Backbone):
    """OSNet with four stages; `last_stride` has no meaning here (the end is at 1/16 anyway).

    Args:
        width: multiplier of the channels (64, 256, 384, 512).
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        c0, c1, c2, c3 = (int(channels * width) for channels in (64, 256, 384, 512))
        self.conv1 = ConvNorm(3, c0, 7, 2)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.conv2 = nn.Sequential(
            OmniScaleBlock(c0, c1),
            OmniScaleBlock(c1, c1),
            nn.Sequential(ConvNorm(c1, c1), nn.AvgPool2d(2, 2)),
        )
        self.conv3 = nn.Sequential(
            OmniScaleBlock(c1, c2),
            OmniScaleBlock(c2, c2),
            nn.Sequential(ConvNorm(c2, c2), nn.AvgPool2d(2, 2)),
        )
        self.conv4 = nn.Sequential(OmniScaleBlock(c2, c3), OmniScaleBlock(c3, c3))
        self.conv5 = ConvNorm(c3, c3)
        self.channels = c3
        self.stages = (Stage(c1, 4), Stage(c2, 8), Stage(c3, 16), Stage(c3, 16))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def blocks(self) -> Sequence[nn.Module]:
        """The stem with the first pair of blocks, the other two pairs after their transitions, the last 1 x 1."""
        return (
            nn.Sequential(self.conv1, self.maxpool, self.conv2[:2]),
            nn.Sequential(self.conv2[2], self.conv3[:2]),
            nn.Sequential(self.conv3[2], self.conv4),
            self.conv5,
        )
