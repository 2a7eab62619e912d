"""What happens beside the steps of a training: learning rate, averaged weights, checkpoints, validation."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel

from relaytrack.reid.errors import ReidOutputError
from relaytrack.reid.evaluation.ranking import RankingScores
from relaytrack.reid.training.logs import RunLog
from relaytrack.reid.training.loop import Callback, Learner

log = logging.getLogger(__name__)


class LearningRate(Callback):
    """Each step's learning rates: those of the optimiser's groups at the start, times a factor.

    Args:
        optimizer: whose groups.
        factor: of the learner's present state.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, factor: Callable[[], float]) -> None:
        self._optimizer, self._factor = optimizer, factor

    def begin(self, learner: Learner) -> None:
        """Set the first rates; those of a resumed run from its `initial_lr`."""
        self._scheduler = LambdaLR(self._optimizer, lambda _: self._factor())

    def after_step(self, learner: Learner, values: Mapping[str, float]) -> None:
        """Set the next step's rates."""
        self._scheduler.step()


class Averaging(Callback):
    """Moves the averaged weights after each step.

    Args:
        average: the averaged network.
        whole: gives the network in training, with all of its parts.
    """

    def __init__(self, average: AveragedModel, whole: Callable[[], AbstractContextManager[nn.Module]]) -> None:
        self._average, self._whole = average, whole

    def after_step(self, learner: Learner, values: Mapping[str, float]) -> None:
        """Move them."""
        with self._whole() as model:
            self._average.update_parameters(model)


class MixedSizes(Callback):
    """Makes the network ready at the start and whenever the size of the images changes.

    Args:
        size: the present (height, width).
        get_ready: what is to be done.
    """

    def __init__(self, size: Callable[[], tuple[int, int]], get_ready: Callable[[], None]) -> None:
        self._size, self._get_ready = size, get_ready

    def begin(self, learner: Learner) -> None:
        """Make it ready."""
        self._now = self._size()
        self._get_ready()

    def before_step(self, learner: Learner) -> None:
        """Make it ready again after a change."""
        if self._size() != self._now:
            self.begin(learner)


class StepLog(Callback):
    """Writes `steps.csv` and the like.

    Args:
        to: the log.
        every: steps between lines on the terminal.
    """

    def __init__(self, to: RunLog, every: int) -> None:
        self._to, self._every = to, every

    def begin(self, learner: Learner) -> None:
        """Open the files; rows after a resumed step are taken back."""
        self._to.open(learner.step)

    def after_step(self, learner: Learner, values: Mapping[str, float]) -> None:
        """One row."""
        self._to.step(learner.step, values, progress=learner.progress, show=learner.step % self._every == 0)

    def close(self) -> None:
        """Close the files."""
        self._to.close()


class TrainingCheckpoints(Callback):
    """Saves now and then, and at the end; where that fails between, it is said and the training goes on.

    Args:
        steps: steps between checkpoints; None for none.
        minutes: minutes between checkpoints; None for none, 0 saves after each step.
    """

    def __init__(self, steps: int | None = None, minutes: float | None = None) -> None:
        self._steps, self._minutes = steps, minutes

    def begin(self, learner: Learner) -> None:
        """The time counts from here."""
        self._saved = time.monotonic()

    def after_step(self, learner: Learner, values: Mapping[str, float]) -> None:
        """Save if it is time."""
        by_steps = self._steps is not None and learner.step % self._steps == 0
        if by_steps or (self._minutes is not None and time.monotonic() - self._saved >= 60 * self._minutes):
            try_to_save(learner)
            self._saved = time.monotonic()

    def end(self, learner: Learner) -> None:
        """Save; a failure is an error here."""
        learner.save()


class Validation(Callback):
    """Scores the held-out people now and then, and at the end.

    Args:
        to: the log.
        every: steps between scores.
    """

    def __init__(self, to: RunLog, every: int) -> None:
        self._to, self._every = to, every
        self._at: int | None = None
        self.scores: Mapping[str, RankingScores] = {}

    def after_step(self, learner: Learner, values: Mapping[str, float]) -> None:
        """Score if it is time."""
        if learner.step % self._every == 0:
            self._validate(learner)

    def end(self, learner: Learner) -> None:
        """Score, unless the last step has been scored."""
        if self._at != learner.step or not self.scores:
            self._validate(learner)

    def _validate(self, learner: Learner) -> None:
        self.scores, self._at = learner.validate(), learner.step
        for name, scores in self.scores.items():
            self._to.validation(learner.step, scores, name)


def try_to_save(learner: Learner, name: str = "last.pt") -> None:
    """Save, or say that it failed: the run goes on, and the next checkpoint may fit."""
    try:
        learner.save(name)
    except ReidOutputError as error:
        log.warning("step %d: %s; the training goes on", learner.step, error)
