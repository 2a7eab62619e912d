"""MobileNetV2 (Sandler et al., CVPR 2018) with torchvision's parameter names.

Two things differ for re-identification: the last down-sampling can be left out (`last_stride=1`, 16 x 8 cells
from 256 x 128 pixels), and the narrow outputs of the early blocks can pass through half instance, half batch
norm (IBN-Net, Pan et al., ECCV 2018), which takes the camera's colours and contrast away and generalises
better to other cameras.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from relaytrack.reid.backbones.base import Backbone, Stage
from relaytrack.reid.backbones.normalization import InstanceBatchNorm

# expansion, output channels, repeats, first stride (the paper's table 2)
_SETTING = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
_IBN_UP_TO = 32  # blocks with at most so many output channels get half instance norm when asked for


def _conv_norm_relu(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU6(inplace=True),
    )


class InvertedResidual(nn.Module):
    """Expand, depthwise 3 x 3, project; added to the input where the shapes allow."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int, *, ibn: bool = False) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.residual = stride == 1 and inputs == outputs
        layers: list[nn.Module] = []
        if expansion != 1:
            layers.append(_conv_norm_relu(inputs, hidden, 1))
        layers += [
            _conv_norm_relu(hidden, hidden, 3, stride, hidden),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            InstanceBatchNorm(outputs) if ibn else nn.BatchNorm2d(outputs),
        ]
        self.conv = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H / stride, W / stride)."""
        return x + self.conv(x) if self.residual else self.conv(x)  # type: ignore[no-any-return]


class MobileNetV2(Backbone):
    """MobileNetV2, width 1.0, four stages of 24, 32, 96 and 320 channels and a tail to 1280.

    Args:
        last_stride: 1 keeps 1/16 of the resolution to the end, 2 is the original.
        ibn: half instance norm at the outputs of the blocks of the first two stages.
    """

    def __init__(self, *, last_stride: int = 1, ibn: bool = False) -> None:
        super().__init__()
        features: list[nn.Module] = [_conv_norm_relu(3, 32, 3, 2)]
        inputs = 32
        for expansion, outputs, repeats, first in _SETTING:
            for index in range(repeats):
                stride = first if index == 0 else 1
                if outputs == 160 and index == 0:
                    stride = last_stride
                half = ibn and outputs <= _IBN_UP_TO
                features.append(InvertedResidual(inputs, outputs, stride, expansion, ibn=half))
                inputs = outputs
        self.channels = 1280
        features.append(_conv_norm_relu(inputs, self.channels, 1))
        self.features = nn.Sequential(*features)
        self.stages = (Stage(24, 4), Stage(32, 8), Stage(96, 16), Stage(320, 16 * last_stride))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def blocks(self) -> Sequence[nn.Module]:
        """Stem and first blocks to 1/4, to 1/8, to 1/16, and the rest."""
        return self.features[:4], self.features[4:7], self.features[7:14], self.features[14:18]

    def tail(self) -> nn.Module:
        """The 1 x 1 convolution to 1280 channels."""
        return self.features[18]
