"""How far a run is, and the learning rate there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from relaytrack.reid.training.config import OptimConfig


@dataclass(frozen=True, slots=True)
class Schedule:
    """Learning-rate factor over a run's progress (0 at the start, 1 at the end).

    Attributes:
        kind: "cosine", or "step" at the `milestones`.
        warmup: part of the run in which the factor rises linearly from `warmup_factor` to 1.
        warmup_factor: factor at the very start.
        milestones: parts of the run after which the factor is multiplied by `gamma` once more.
        gamma: see `milestones`.
        floor: the cosine's last factor.
    """

    kind: str = "cosine"
    warmup: float = 0.05
    warmup_factor: float = 0.01
    milestones: Sequence[float] = ()
    gamma: float = 0.5
    floor: float = 0.0

    @classmethod
    def of(cls, optim: OptimConfig) -> Schedule:
        """That of a configuration."""
        return cls(optim.schedule, optim.warmup, optim.warmup_factor, optim.milestones, optim.gamma, optim.floor)

    def factor(self, progress: float) -> float:
        """The factor at `progress` (0..1)."""
        if progress < self.warmup:
            return self.warmup_factor + (1 - self.warmup_factor) * progress / self.warmup
        if self.kind == "step":
            return self.gamma ** sum(progress >= milestone for milestone in self.milestones)
        part = (progress - self.warmup) / max(1e-9, 1 - self.warmup)
        return self.floor + (1 - self.floor) * (1 + math.cos(math.pi * min(1.0, part))) / 2


def progress(step: int, iterations: float, minutes: float, max_minutes: float | None) -> float:
    """How far a run is: by its steps or, where a time budget is given and nearer its end, by its minutes.

    Args:
        step: steps done.
        iterations: steps in all; infinity where only the time counts.
        minutes: time spent so far, over all resumed parts.
        max_minutes: the time budget; None for none.
    """
    by_steps = step / iterations
    return min(1.0, by_steps if max_minutes is None else max(by_steps, minutes / max_minutes))
