"""ResNet-50 (He et al., CVPR 2016) with torchvision's parameter names, and its IBN-a form."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from relaytrack.reid.backbones.base import Backbone, Stage
from relaytrack.reid.backbones.normalization import InstanceBatchNorm

_EXPANSION = 4


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 (with the stride, as in torchvision), 1 x 1, added to the input."""

    def __init__(self, inputs: int, planes: int, stride: int, *, ibn: bool) -> None:
        super().__init__()
        outputs = planes * _EXPANSION
        self.conv1 = nn.Conv2d(inputs, planes, 1, bias=False)
        self.bn1: nn.Module = InstanceBatchNorm(planes) if ibn else nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, 4 planes, H / stride, W / stride)."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)  # type: ignore[no-any-return]


class ResNet(Backbone):
    """ResNet-50: four stages of 256, 512, 1024 and 2048 channels.

    Args:
        repeats: blocks per stage.
        last_stride: stride of the fourth stage; 1 keeps 1/16 of the resolution.
        ibn: half instance norm after the first convolution of the blocks of stages 1 to 3 (IBN-Net's "a").
    """

    def __init__(self, repeats: Sequence[int] = (3, 4, 6, 3), *, last_stride: int = 1, ibn: bool = False) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = _stage(64, 64, repeats[0], 1, ibn)
        self.layer2 = _stage(256, 128, repeats[1], 2, ibn)
        self.layer3 = _stage(512, 256, repeats[2], 2, ibn)
        self.layer4 = _stage(1024, 512, repeats[3], last_stride, False)
        self.channels = 2048
        self.stages = (Stage(256, 4), Stage(512, 8), Stage(1024, 16), Stage(2048, 16 * last_stride))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def blocks(self) -> Sequence[nn.Module]:
        """The stem with stage 1, then stages 2, 3 and 4."""
        first = nn.Sequential(self.conv1, self.bn1, self.relu, self.maxpool, self.layer1)
        return first, self.layer2, self.layer3, self.layer4


def _stage(inputs: int, planes: int, repeats: int, stride: int, ibn: bool) -> nn.Sequential:
    blocks = [Bottleneck(inputs, planes, stride, ibn=ibn)]
    blocks += [Bottleneck(planes * _EXPANSION, planes, 1, ibn=ibn) for _ in range(repeats - 1)]
    return nn.Sequential(*blocks)
