"""From the final map to the embedding: pooling, an optional projection, and the batch-norm neck."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from relaytrack.reid.folding import scale_and_shift


class GeneralizedMeanPooling(nn.Module):
    """GeM (Radenovic et al., TPAMI 2019): the p-th root of the mean p-th power, p learned.

    Args:
        p: the exponent to start from; 1 is the mean, infinity the maximum.
        floor: smaller activations count as this.
    """

    def __init__(self, p: float = 3.0, floor: float = 1e-6) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.tensor(float(p)))
        self.floor = floor

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C)."""
        x = x.clamp_min(self.floor)
        if torch.onnx.is_in_onnx_export():  # onnxruntime's Pow is slow on CPUs
            return (x.log() * self.p).exp().mean(dim=(2, 3)).pow(1.0 / self.p)
        return x.pow(self.p).mean(dim=(2, 3)).pow(1.0 / self.p)


class GlobalAveragePooling(nn.Module):
    """(B, C, H, W) -> (B, C)."""

    def forward(self, x: Tensor) -> Tensor:
        """The mean over all positions."""
        return x.mean(dim=(2, 3))


class HeadOutput(NamedTuple):
    """What training sees of a batch.

    Attributes:
        feature: (B, D) before the neck: for the triplet loss.
        logits: (B, classes) from the feature after the neck, or (B, parts, classes) with several classifiers: for
            cross-entropy.
        embedding: (B, D) what the network would answer at test time: for distillation.
    """

    feature: Tensor
    logits: Tensor
    embedding: Tensor


class BNNeckHead(nn.Module):
    """Pooling, projection and BNNeck (Luo et al., *Bag of Tricks*, CVPRW 2019).

    The triplet loss sees the feature before the batch norm, the classifier (without bias) the one after it.

    Args:
        inputs: channels of the final map.
        embedding_dim: D; None keeps the map's channels and needs no projection.
        num_classes: identities in training; 0 leaves the classifier out.
        pooling: "gap" or "gem".
        neck: batch norm after the pooling.
        feature: which one is the embedding at test time, "post" or "pre" the batch norm, or "relu", its positive part
            after the batch norm (as torchreid's OSNet has it).
    """

    def __init__(
        self,
        inputs: int,
        *,
        embedding_dim: int | None,
        num_classes: int,
        pooling: str,
        neck: bool,
        feature: str,
    ) -> None:
        super().__init__()
        self.feature = feature
        self.dim = embedding_dim or inputs
        self.pool = GeneralizedMeanPooling() if pooling == "gem" else GlobalAveragePooling()
        self.project: nn.Module = nn.Identity()
        if embedding_dim is not None:
            project = nn.Linear(inputs, embedding_dim, bias=False)
            nn.init.kaiming_normal_(project.weight, mode="fan_in", nonlinearity="linear")
            self.project = project
        self.neck: nn.Module = nn.BatchNorm1d(self.dim) if neck else nn.Identity()
        self.classifier: nn.Module | None = None
        if num_classes:
            classifier = nn.Linear(self.dim, num_classes, bias=False)
            nn.init.normal_(classifier.weight, std=0.001)
            self.classifier = classifier

    def embed(self, x: Tensor) -> Tensor:
        """The test-time feature (B, D) of the final map (B, C, H, W), not normalised."""
        pooled: Tensor = self.project(self.pool(x))
        if self.feature == "pre":
            return pooled
        after: Tensor = self.neck(pooled)
        return after.relu() if self.feature == "relu" else after

    def fold(self) -> None:
        """Make the head fit for inference only, in place: no classifier; the neck goes into the projection, if any."""
        self.classifier = None
        if self.feature == "pre":
            self.neck = nn.Identity()
        if not isinstance(self.neck, nn.BatchNorm1d):
            return
        scale, shift = scale_and_shift(self.neck)
        project = self.project
        if isinstance(project, nn.Linear):
            folded = nn.Linear(project.in_features, project.out_features)
            folded.weight = nn.Parameter(project.weight.detach() * scale[:, None], requires_grad=False)
            folded.bias = nn.Parameter(shift, requires_grad=False)
            self.project, self.neck = folded, nn.Identity()

    def forward(self, x: Tensor) -> HeadOutput:
        """The training outputs of the final map (B, C, H, W)."""
        pooled = self.project(self.pool(x))
        after = self.neck(pooled)
        logits = self.classifier(after) if self.classifier is not None else after.new_zeros(len(after), 0)
        embedding = {"pre": pooled, "post": after, "relu": after.relu()}[self.feature]
        return HeadOutput(pooled, logits, embedding)
