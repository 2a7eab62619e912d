"""The head of the parameter-free spatial attention network: six stripes and deep supervision.

Wang, Fan, Wang: *Parameter-Free Spatial Attention Network for Person Re-Identification*, 2018. The final map is
averaged in six horizontal stripes; in training each stripe, their mean, and the attended means of the first
three stages have classifiers of their own. The attention stands on the supervised branches only. Parameter
names as in the published code.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from relaytrack.reid.attention.parameter_free import ParameterFreeSpatialAttention
from relaytrack.reid.heads import HeadOutput

STRIPES = 6


class StripesHead(nn.Module):
    """Stripe features for testing, ten classifiers for training.

    Args:
        inputs: channels of the final map.
        supervised: channels of the earlier stages that are supervised too (three of them).
        num_classes: identities in training; 0 leaves all classifiers out.
        reduced: length of a feature before its classifier.
        dropout: share of stripe features dropped in training.
    """

    def __init__(
        self,
        inputs: int,
        supervised: Sequence[int],
        *,
        num_classes: int,
        reduced: int = 256,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.dim = inputs * STRIPES
        self.num_classes = num_classes
        self.supervised = len(supervised)
        if not num_classes:
            return
        self.attention = ParameterFreeSpatialAttention("code")
        self.drop = nn.Dropout(dropout)
        self.local_conv = nn.Conv2d(inputs, reduced, 1, bias=False)
        self.feat_bn2d = nn.BatchNorm2d(reduced)
        nn.init.kaiming_normal_(self.local_conv.weight, mode="fan_out")
        for number, channels in enumerate(supervised, start=1):
            self.add_module(f"local_conv_layer{number}", nn.Conv2d(channels, reduced, 1, bias=False))
            self.add_module(f"instance_layer{number}", _classifier(reduced, num_classes))
        for number in range(STRIPES + 1):
            self.add_module(f"instance{number}", _classifier(reduced, num_classes))

    def stripes(self, x: Tensor) -> Tensor:
        """The mean of each stripe: (B, C, H, W) -> (B, C, 6, 1); a remainder of rows makes them overlap."""
        height, width = int(x.shape[2]), int(x.shape[3])  # plain numbers for the ONNX export
        step = height // STRIPES
        size = height - step * (STRIPES - 1)
        return F.avg_pool2d(x, (size, width), (step, width))

    def embed(self, x: Tensor) -> Tensor:
        """The test-time feature (B, 6 C) of the final map: stripe means, each L2-normalised."""
        return F.normalize(self.stripes(x), dim=1).flatten(1)

    def forward(self, x: Tensor, stages: Sequence[Tensor]) -> HeadOutput:
        """The training outputs of the final map and of the earlier stages.

        Returns:
            The test-time feature, and logits (B, 10, classes): six stripes, their mean, stages 1 to 3.
        """
        means = self.stripes(x)
        reduced = self.feat_bn2d(self.local_conv(self.drop(means))).relu()
        logits = [self._classify(f"instance{n}", reduced[:, :, n, 0]) for n in range(STRIPES)]
        logits.append(self._classify(f"instance{STRIPES}", reduced.mean(dim=(2, 3))))
        for number, stage in enumerate(stages[: self.supervised], start=1):
            mean = self.attention(stage).mean(dim=(2, 3), keepdim=True)
            feature = self.get_submodule(f"local_conv_layer{number}")(mean).flatten(1)
            logits.append(self._classify(f"instance_layer{number}", feature))
        embedding = F.normalize(means, dim=1).flatten(1)
        return HeadOutput(embedding, torch.stack(logits, dim=1), embedding)

    def fold(self) -> None:
        """Make the head fit for inference only, in place: without anything that training needs."""
        for name in [name for name, _ in self.named_children()]:
            delattr(self, name)
        self.num_classes = 0

    def _classify(self, name: str, feature: Tensor) -> Tensor:
        return self.get_submodule(name)(feature)  # type: ignore[no-any-return]


def _classifier(inputs: int, classes: int) -> nn.Linear:
    layer = nn.Linear(inputs, classes)
    nn.init.normal_(layer.weight, std=0.001)
    nn.init.zeros_(layer.bias)
    return layer
