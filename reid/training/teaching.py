"""Learning from a teacher: a network that is trained already says where each crop's embedding should lie.

No identities are needed. Two terms: the student's embedding regresses the teacher's (1 - cosine), through a linear map
where their lengths differ; and each crop of the batch should find the others as similar as the teacher finds them
(Kullback-Leibler divergence of the rows of similarities, in the manner of Park et al., *Relational Knowledge
Distillation*, CVPR 2019, and Fang et al., *SEED*, ICLR 2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from relaytrack.reid.datasets.augment import Augment
from relaytrack.reid.datasets.images import ImageCache
from relaytrack.reid.embedder import Embedder
from relaytrack.reid.model import ReidModel
from relaytrack.reid.network_input import to_network
from relaytrack.reid.training.distillation import cosine_regression, relational_divergence

_PLAIN = Augment(flip=0.0, shift=0.0, erase=0.0)


class Teacher:
    """One or more trained networks that answer with unit vectors.

    Args:
        weights: files or names of installed weights; each network takes crops at its own input size.
        device: where they compute: "auto", "cpu", "cuda", "cuda:N", or a `torch.device`.

    Attributes:
        dims: length of each one's embedding.

    Raises:
        WeightsError: weights are missing or of no use.
    """

    def __init__(self, weights: Sequence[Path | str], device: str | torch.device = "auto") -> None:
        self._embedders = [Embedder(one, device, batch_size=64) for one in weights]
        self.dims = tuple(embedder.dim for embedder in self._embedders)

    def __call__(self, crops: Sequence[NDArray[np.uint8]] | NDArray[np.uint8]) -> list[Tensor]:
        """Embed crops (H, W, 3) uint8 RGB: per network (B, D) float32 unit vectors."""
        return [torch.from_numpy(embedder(list(crops))) for embedder in self._embedders]


class Distillation(nn.Module):
    """The loss of a student against its teachers.

    Args:
        dim: length of the student's embedding.
        teachers: length of each teacher's embedding.
        regression: weight of the mean of 1 - cosine.
        relational: weight of the divergence of the rows of similarities.
        temperature: of these rows; 0.05 to 0.1 lets the nearest few count.
    """

    def __init__(
        self,
        dim: int,
        teachers: Sequence[int],
        *,
        regression: float = 1.0,
        relational: float = 1.0,
        temperature: float = 0.07,
    ) -> None:
        super().__init__()
        self.regression, self.relational, self.temperature = regression, relational, temperature
        self.maps = nn.ModuleList(
            nn.Identity() if size == dim else nn.Linear(dim, size, bias=False) for size in teachers
        )
        for one in self.maps:
            if isinstance(one, nn.Linear):
                nn.init.orthogonal_(one.weight)

    @torch.no_grad()
    def fit(self, student: Tensor, targets: Sequence[Tensor], ridge: float = 1e-2) -> None:
        """Begin the linear maps where they serve best (ridge regression), so that a trained student is not shaken.

        Args:
            student: (N, D) embeddings of some crops.
            targets: of the same crops, per teacher (N, E).
            ridge: added to the diagonal, relative to its mean.
        """
        unit = F.normalize(student.double())
        square = unit.T @ unit
        square += ridge * square.diagonal().mean() * torch.eye(len(square), dtype=square.dtype, device=square.device)
        for one, target in zip(self.maps, targets, strict=True):
            if isinstance(one, nn.Linear):
                one.weight.copy_(torch.linalg.solve(square, unit.T @ target.to(unit)).T)

    def forward(self, student: Tensor, targets: Sequence[Tensor]) -> tuple[Tensor, dict[str, float]]:
        """The loss of embeddings (B, D) against the teachers' (B, E) unit vectors.

        Returns:
            The weighted sum, a mean over teachers; and the plain parts: "cosine" (mean 1 - cosine) and "relational".
        """
        unit = F.normalize(student.float())
        mapped = [one(unit) for one in self.maps]
        cosine = cosine_regression(mapped, targets)
        relations = torch.stack([relational_divergence(unit, to, self.temperature) for to in targets]).mean()
        values = {"cosine": float(cosine.detach()), "relational": float(relations.detach())}
        return self.regression * cosine + self.relational * relations, values


@torch.no_grad()
def begin(
    distillation: Distillation,
    teacher: Teacher,
    model: ReidModel,
    cache: ImageCache,
    *,
    seed: int = 0,
    images: int = 512,
) -> None:
    """Fit a distillation's maps (`Distillation.fit`) on plain training images, before the first step.

    Args:
        distillation: whose maps.
        teacher: what they map to.
        model: the student as it starts.
        cache: training images.
        seed: of the choice of images.
        images: at most so many are taken.
    """
    draw = np.random.default_rng((seed, 13))
    chosen = draw.choice(len(cache), min(images, len(cache)), replace=False)
    device = next(model.parameters()).device
    training = model.training
    model.eval()
    student: list[Tensor] = []
    targets: list[list[Tensor]] = []
    for part in np.array_split(chosen, -(-len(chosen) // 64)):
        views = np.stack(
            [_PLAIN.view(cache.get(int(index)), model.spec.height, model.spec.width, draw) for index in part]
        )
        student.append(model(to_network(views, device)).float())
        targets.append(teacher(views))
    model.train(training)
    joined = [torch.cat([part[index] for part in targets]) for index in range(len(teacher.dims))]
    distillation.fit(torch.cat(student), joined)
