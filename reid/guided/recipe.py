"""How a guided training goes."""

from __future__ import annotations

import dataclasses
import math

PER_PERSON = 4
"""Pictures of a person in a batch."""

LOSS_TERMS = ("regression", "relation", "cross_entropy", "triplet")
"""The terms of the loss whose weights a recipe has."""


@dataclasses.dataclass(frozen=True, slots=True)
class Recipe:
    """How to train. The defaults are those of the shipped weights.

    Attributes:
        batch: pictures per step.
        people: people per step of whom four pictures are drawn, 0 uses no ids; the rest is drawn from everything.
        steps: steps in all; None ends by `minutes`.
        minutes: minutes in all, if `steps` is None; those before a resumed checkpoint count.
        lr: learning rate of the inherited tensors, reached after `warmup` steps, then a cosine.
        warmup: steps.
        weight_decay: AdamW's.
        regression: weight of the cosine regression.
        relation: weight of the relational divergence.
        cross_entropy: weight of the label-smoothed cross-entropy.
        triplet: weight of the batch-hard triplet loss.
        average: decay of the averaged weights, per step.
        known: share of each batch for which the teachers see the picture as it is; their answers to it are computed
            once and kept on disk. 0 shows them a new view each time.
        precision: "bf16" (fp32 on CPUs without it) or "fp32".
        every: steps between validations.
        log_every: steps between lines on the terminal.
        save_minutes: minutes between checkpoints; 0 writes one after every step.
        seed: of everything random.
    """

    batch: int = 384
    people: int = 48
    steps: int | None = None
    minutes: float = 9.0
    lr: float = 6e-4
    warmup: int = 100
    weight_decay: float = 0.01
    regression: float = 4.0
    relation: float = 1.0
    cross_entropy: float = 0.2
    triplet: float = 0.5
    average: float = 0.998
    known: float = 0.0
    precision: str = "bf16"
    every: int = 500
    log_every: int = 100
    save_minutes: float = 5.0
    seed: int = 0

    def rate(self, step: int, progress: float) -> float:
        """Factor of the learning rates before a step; `progress` is how far the run is, 0..1."""
        warm = min(1.0, (step + 1) / self.warmup)
        return warm * (0.005 + 0.995 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))
