"""A head that keeps places apart: one weight per channel and cell, then one linear map per part of the embedding.

Global depthwise convolution in place of mean pooling (MobileFaceNets, Chen et al., 2018): what the head of a person
looks like and what the feet look like count differently. The embedding may have several parts, each L2-normalised
by itself, so that the cosine of two embeddings is the mean of the parts' cosines. That is how a network learns from
two teachers at once: one part per teacher.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from relaytrack.reid.heads import HeadOutput


class GlobalDepthwiseHead(nn.Module):
    """Global depthwise convolution, linear parts, and BNNeck for training.

    The triplet loss and the classifier (after a batch norm, without bias) see the embedding itself.

    Args:
        inputs: channels of the final map.
        height: cells of the final map.
        width: cells of the final map.
        embedding_dim: D, all parts together.
        parts: parts of the embedding; D must be a multiple.
        num_classes: identities in training; 0 leaves the classifier out.
    """

    def __init__(
        self, inputs: int, height: int, width: int, *, embedding_dim: int, parts: int = 1, num_classes: int = 0
    ) -> None:
        super().__init__()
        self.dim, self.parts = embedding_dim, parts
        self.pool = nn.Conv2d(inputs, inputs, (height, width), groups=inputs)
        nn.init.constant_(self.pool.weight, 1.0 / (height * width))
        assert self.pool.bias is not None
        nn.init.zeros_(self.pool.bias)
        self.project = nn.Linear(inputs, embedding_dim)
        self.neck: nn.Module = nn.BatchNorm1d(embedding_dim)
        self.classifier: nn.Module | None = None
        if num_classes:
            classifier = nn.Linear(embedding_dim, num_classes, bias=False)
            nn.init.normal_(classifier.weight, std=0.001)
            self.classifier = classifier

    def pooled(self, x: Tensor) -> Tensor:
        """The final map (B, C, H, W), weighed and summed: (B, C)."""
        # the whole map at each place: a product and a sum, which every runtime does faster than such a convolution
        weight, bias = self.pool.weight.squeeze(1), self.pool.bias
        assert bias is not None
        weighed: Tensor = (x * weight).sum(dim=(2, 3)) + bias
        return weighed

    def embed(self, x: Tensor) -> Tensor:
        """The embedding (B, D) of the final map (B, C, H, W); each part has length 1."""
        parts: Tensor = self.project(self.pooled(x)).unflatten(1, (self.parts, -1))
        return F.normalize(parts, dim=2).flatten(1)

    def fold(self) -> None:
        """Leave out what serves training only, in place."""
        self.classifier = None
        self.neck = nn.Identity()

    def forward(self, x: Tensor) -> HeadOutput:
        """The training outputs of the final map (B, C, H, W)."""
        feature = self.embed(x)
        after = self.neck(feature)
        logits = self.classifier(after) if self.classifier is not None else after.new_zeros(len(after), 0)
        return HeadOutput(feature, logits, feature)


def resized_pool(weight: Tensor, height: int, width: int) -> Tensor:
    """Weights of a global depthwise convolution (C, 1, H, W), for maps of another size: resized like pictures.

    They are scaled by the number of cells, so that the sum over the map keeps its value.
    """
    old = weight.shape[2] * weight.shape[3]
    resized = F.interpolate(weight.float(), size=(height, width), mode="bicubic", align_corners=False, antialias=True)
    return torch.mul(resized, old / (height * width)).to(weight.dtype)
