"""The one training loop: a learner makes steps, callbacks do everything beside them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Protocol

from relaytrack.reid.evaluation.ranking import RankingScores
from relaytrack.reid.training import distributed
from relaytrack.reid.training.interrupt import Interrupt


class Learner(Protocol):
    """What the loop trains.

    Attributes:
        step: steps done.
        minutes: time spent so far, over all resumed parts; the loop keeps it.
    """

    step: int
    minutes: float

    @property
    def progress(self) -> float:
        """How far the run is, 0..1; 1 ends it."""
        ...

    def learn(self) -> dict[str, float]:
        """Make one step and count it; returns what is logged ("loss" at least)."""
        ...

    def save(self, name: str = "last.pt") -> None:
        """Write a checkpoint."""
        ...

    def validate(self) -> Mapping[str, RankingScores]:
        """Score the held-out people, by the name of their data set; none where there are none."""
        ...


class Callback:
    """Does something beside the learning; a method that is not overridden does nothing."""

    def begin(self, learner: Learner) -> None:
        """Before the first step of this start, after a checkpoint has been loaded."""

    def before_step(self, learner: Learner) -> None:
        """Before each step."""

    def after_step(self, learner: Learner, values: Mapping[str, float]) -> None:
        """After each step; `values` are what `Learner.learn` returned."""

    def end(self, learner: Learner) -> None:
        """After the last step of a run that was not interrupted."""

    def close(self) -> None:
        """However the run ended."""


class Loop:
    """Runs a learner to its end.

    Args:
        learner: what is trained.
        callbacks: called in this order; closed in the opposite one.
    """

    def __init__(self, learner: Learner, callbacks: Sequence[Callback]) -> None:
        self._learner = learner
        self._callbacks = callbacks

    def run(self) -> None:
        """Train until `Learner.progress` is 1.

        Raises:
            KeyboardInterrupt: Ctrl-C or SIGTERM; a checkpoint has been written.
        """
        learner, callbacks = self._learner, self._callbacks
        with ExitStack() as stack, Interrupt() as interrupt:
            for callback in callbacks:
                stack.callback(callback.close)
                callback.begin(learner)
            before, began = learner.minutes, time.monotonic()
            while True:
                learner.minutes = before + distributed.agree((time.monotonic() - began) / 60)
                if learner.progress >= 1:
                    break
                for callback in callbacks:
                    callback.before_step(learner)
                values = learner.learn()
                for callback in callbacks:
                    callback.after_step(learner, values)
                if distributed.agree(float(interrupt.asked)):
                    learner.save()
                    raise KeyboardInterrupt(f"interrupted at step {learner.step}")
            for callback in callbacks:
                callback.end(learner)
