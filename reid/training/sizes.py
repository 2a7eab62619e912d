"""Runs that begin with small images and without attention, which knows its size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import nn

from relaytrack.reid.model import ReidModel
from relaytrack.reid.training.config import TrainConfig


class Sizes:
    """Which images and which network each part of a run has.

    Args:
        config: of the run.
        model: the network in training, with its attention.
        progress: how far the run is, 0..1.
    """

    def __init__(self, config: TrainConfig, model: ReidModel, progress: Callable[[], float]) -> None:
        self._parts = config.run.low_resolution
        self._own = (config.model.height, config.model.width)
        self._model, self._attention = model, model.attention
        self._progress = progress

    def now(self) -> tuple[int, int]:
        """(height, width) of the images."""
        for part in self._parts:
            if self._progress() < part.until:
                return part.height, part.width
        return self._own

    @property
    def full(self) -> bool:
        """Whether the images have the network's own size."""
        return self.now() == self._own

    def choose(self) -> bool:
        """Give the network its attention, or take it away; returns `full`."""
        full = self.full
        self._model.attention = self._attention if full else nn.ModuleDict()
        return full

    @contextmanager
    def whole(self) -> Iterator[ReidModel]:
        """The network with its attention, whatever part of the run this is."""
        shown, self._model.attention = self._model.attention, self._attention
        try:
            yield self._model
        finally:
            self._model.attention = shown

    @contextmanager
    def as_now(self, other: ReidModel) -> Iterator[None]:
        """Another network of the same kind, with attention in this part of the run or without."""
        held = other.attention
        if not self.full:
            other.attention = nn.ModuleDict()
        try:
            yield
        finally:
            other.attention = held
