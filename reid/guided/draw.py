"""Which pictures a step learns from."""

from __future__ import annotations

import torch
from torch import Tensor

from relaytrack.reid.guided.pictures import TrainingPictures
from relaytrack.reid.guided.recipe import PER_PERSON


class Draw:
    """Draws batches: first some people with several pictures each, then pictures of everything, by their weights.

    Args:
        pictures: what to draw from.
        batch: pictures in a batch.
        people: people of whom `PER_PERSON` pictures are drawn, with repeats.
    """

    def __init__(self, pictures: TrainingPictures, batch: int, people: int) -> None:
        self._weights = pictures.draw
        self._batch, self._people = batch, people
        known = torch.nonzero(pictures.labels >= 0)[:, 0]
        self._images = known[torch.argsort(pictures.labels[known])]
        self._counts = torch.bincount(pictures.labels[known], minlength=pictures.classes)
        self._starts = self._counts.cumsum(0) - self._counts

    @property
    def labelled(self) -> int:
        """Pictures at the front of each batch whose person is known."""
        return self._people * PER_PERSON

    def __call__(self) -> Tensor:
        """The indices of a batch, (B,)."""
        others = self._batch - self.labelled
        if not others:  # torch draws at least one
            return self._by_person()
        return torch.cat([self._by_person(), torch.multinomial(self._weights, others)])

    def _by_person(self) -> Tensor:
        device = self._counts.device
        chosen = torch.randperm(len(self._counts), device=device)[: self._people]
        offset = torch.rand(self._people, PER_PERSON, device=device) * self._counts[chosen][:, None]
        return self._images[(self._starts[chosen][:, None] + offset.long()).flatten()]
