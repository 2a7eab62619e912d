"""A learner with teachers: draw pictures, change them, ask the teachers, make a step."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from relaytrack.reid.checkpoint import WeightsInfo, save_model
from relaytrack.reid.datasets.base import Split
from relaytrack.reid.depthwise_head import GlobalDepthwiseHead
from relaytrack.reid.errors import DatasetError, TrainingError
from relaytrack.reid.evaluation.embed import embed_files, evaluate_split
from relaytrack.reid.evaluation.ranking import RankingScores
from relaytrack.reid.guided.draw import Draw
from relaytrack.reid.guided.memory import TeacherMemory
from relaytrack.reid.guided.objective import guided_loss
from relaytrack.reid.guided.pictures import TrainingPictures
from relaytrack.reid.guided.recipe import PER_PERSON, Recipe
from relaytrack.reid.guided.regress import regress_head
from relaytrack.reid.guided.teacher import Teachers, normalised
from relaytrack.reid.guided.views import random_views
from relaytrack.reid.model import ReidModel
from relaytrack.reid.outputs import check_folder
from relaytrack.reid.precision import autocast, usable_precision
from relaytrack.reid.training.callbacks import Averaging, LearningRate, StepLog, TrainingCheckpoints, Validation
from relaytrack.reid.training.checkpoints import load_state, random_states, restore_random, save_state
from relaytrack.reid.training.ema import averaged
from relaytrack.reid.training.groups import optimiser_of_inherited
from relaytrack.reid.training.logs import RunLog
from relaytrack.reid.training.loop import Callback, Loop
from relaytrack.reid.training.schedule import progress

log = logging.getLogger(__name__)


class Guided:
    """One training with teachers.

    Args:
        model: the student, trained in place, with its classifier for `pictures.classes`, on the pictures' device; its
            head has one part per teacher.
        teachers: networks from normalised pictures (B, 3, 256, 128) to embeddings of length 1.
        pictures: what to learn from.
        validation: people to score now and then; nothing is chosen by it.
        recipe: how.
        out: folder for `weights.safetensors` (the averaged weights, at each validation), `best.safetensors` (those of
            the validation with the best mean mAP of the held-out people) and `last.pt`, the checkpoint.
        key: names pictures and teachers (`relaytrack.reid.guided.memory.picture_key`).
        memory: folder of the teachers' answers; None: `out`.

    Raises:
        TrainingError: fewer pictures or people than a batch takes, a head without a part per teacher, or
            no loss at all.
    """

    def __init__(
        self,
        model: ReidModel,
        teachers: Sequence[nn.Module],
        pictures: TrainingPictures,
        validation: Mapping[str, Split],
        recipe: Recipe,
        out: Path,
        *,
        key: str,
        memory: Path | None = None,
    ) -> None:
        device, count = pictures.images.device, len(pictures.images)
        people = min(recipe.people, pictures.classes)
        if not isinstance(model.head, GlobalDepthwiseHead) or model.head.parts != len(teachers):
            raise TrainingError(f"with {len(teachers)} teachers the depthwise head must have {len(teachers)} parts")
        if people * PER_PERSON > recipe.batch or count < recipe.batch:
            raise TrainingError(f"{count} pictures and {people} people are too few for a batch of {recipe.batch}")
        taught, identified = recipe.regression or recipe.relation, recipe.cross_entropy or recipe.triplet
        if not taught and not (people and identified):
            raise TrainingError("all losses have the weight 0: nothing would be learned")
        torch.manual_seed(recipe.seed)
        self._random = np.random.default_rng(recipe.seed)
        self.model, self._pictures, self._validation = model, pictures, validation
        self._recipe, self._out, self._key = recipe, out, key
        self._device = device
        self._precision = usable_precision(recipe.precision, device)
        self._draw = Draw(pictures, recipe.batch, people)
        self._known = round(recipe.known * recipe.batch)
        self._teachers = teachers
        self._ask = Teachers(teachers, max(1, recipe.batch - self._known), device)
        self._memory: TeacherMemory | None = None
        if self._known:
            dims = [model.dim // len(teachers)] * len(teachers)
            self._memory = TeacherMemory(memory or out, key, pictures.images, Teachers(teachers, 1, device), dims)
        self.average = averaged(model, recipe.average, slow_start=False)
        self._optimizer = optimiser_of_inherited(model, recipe.lr, recipe.weight_decay)
        self.step, self.minutes, self.best = 0, 0.0, -1.0

    def regress_head(self) -> None:
        """Let the head begin as a regression on the teachers' embeddings; before the first step."""
        batch = self._recipe.batch
        regress_head(self.model, Teachers(self._teachers, batch, self._device), self._pictures, batch)
        self.average.module.load_state_dict(self.model.state_dict())

    def run(self, *callbacks: Callback) -> Path:
        """Train to the end.

        Args:
            *callbacks: what else is done beside the steps, after everything else.

        Returns:
            The file with the averaged weights.

        Raises:
            KeyboardInterrupt: Ctrl-C or SIGTERM; a checkpoint has been written.
            TrainingError: the loss is not finite; the last checkpoint was saved before.
        """
        recipe = self._recipe
        check_folder(self._out)
        log_to = RunLog(self._out, recipe.steps)
        beside = [
            Averaging(self.average, lambda: nullcontext(self.model)),
            LearningRate(self._optimizer, lambda: recipe.rate(self.step, self.progress)),
            StepLog(log_to, recipe.log_every),
            TrainingCheckpoints(minutes=recipe.save_minutes),
            Validation(log_to, recipe.every),
            *callbacks,
        ]
        Loop(self, beside).run()
        return self._weights

    @property
    def progress(self) -> float:
        """How far the run is, 0..1."""
        recipe = self._recipe
        by_steps = recipe.steps is not None
        return progress(self.step, recipe.steps or math.inf, self.minutes, None if by_steps else recipe.minutes)

    def learn(self) -> dict[str, float]:
        """See `relaytrack.reid.training.loop.Learner.learn`."""
        began = time.perf_counter()
        recipe, pictures = self._recipe, self._pictures
        chosen = self._draw()
        same = None
        if self._memory is not None:
            same = torch.zeros(len(chosen), dtype=torch.bool, device=self._device)
            same[torch.randperm(len(chosen), device=self._device)[: self._known]] = True
        size = (self.model.spec.height, self.model.spec.width)
        plain, worse, whole = random_views(pictures.images[chosen], size, self._random, same=same)
        told = self._answers(chosen, plain, same)
        self.model.train()
        with autocast(self._precision, self._device):
            x = normalised(worse).contiguous(memory_format=torch.channels_last)
            feature, logits, _ = self.model(x)
        loss, values = guided_loss(
            feature.float(), logits.float(), told, pictures.labels[chosen], whole, self._draw.labelled, recipe
        )
        if not math.isfinite(values["loss"]):
            raise TrainingError(f"the loss is not finite at step {self.step + 1}; the last checkpoint was saved before")
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
        self._optimizer.step()
        self.step += 1
        rate = self._optimizer.param_groups[0]["lr"]
        return values | {"lr": rate, "seconds": time.perf_counter() - began, "minutes": self.minutes}

    def _answers(self, chosen: Tensor, plain: Tensor, same: Tensor | None) -> list[Tensor]:
        if self._memory is None or same is None:
            return self._ask(plain)
        known = self._memory(chosen[same])
        if same.all():
            return known
        fresh = self._ask(plain[~same])
        told = []
        for old, new in zip(known, fresh, strict=True):
            both = new.new_empty(len(chosen), new.shape[1])
            both[same], both[~same] = old.to(new.dtype), new
            told.append(both)
        return told

    def validate(self) -> Mapping[str, RankingScores]:
        """Write the averaged weights, and score the held-out people of each source with them."""
        model = self.average.module
        assert isinstance(model, ReidModel)
        info = WeightsInfo(recipe=f"relaytrack reid guide, step {self.step}")
        self._weights = save_model(self._out / "weights.safetensors", model, info)
        size = (model.spec.height, model.spec.width)
        scores = {}
        for name, split in self._validation.items():
            try:
                scores[name] = evaluate_split(split, embed_files(model, split.paths, size, device=self._device))
            except DatasetError as error:  # a picture that was there at the start is gone
                log.warning("no validation of %s at step %d: %s", name, self.step, error)
        mean = sum(one.mean_ap for one in scores.values()) / max(len(scores), 1)
        if scores and mean > self.best:
            self.best = mean
            save_model(self._out / "best.safetensors", model, info)
        return scores

    # ---- what is kept

    def save(self, name: str = "last.pt") -> None:
        """Write a checkpoint from which the training goes on, in place of the last one only when it is whole.

        Raises:
            ReidOutputError: it cannot be written; the earlier one stays.
        """
        state = {
            "spec": self.model.spec.to_dict(),
            "classes": self._pictures.classes,
            "key": self._key,
            "step": self.step,
            "minutes": self.minutes,
            "best": self.best,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "random": random_states(self._random, self._device),
        }
        save_state(self._out / name, state)

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint.

        Raises:
            TrainingError: it is missing, unreadable, or of another network, other pictures or other teachers.
        """
        state = load_state(path, self._device)
        try:
            if state["spec"] != self.model.spec.to_dict():
                raise TrainingError(f"cannot resume from {path}: it belongs to another network")
            if (state["classes"], state["key"]) != (self._pictures.classes, self._key):
                raise TrainingError(f"cannot resume from {path}: it was made with other pictures or other teachers")
            self.model.load_state_dict(state["model"])
            self.average.load_state_dict(state["average"])
            self._optimizer.load_state_dict(state["optimizer"])
            restore_random(state["random"], self._random, self._device)
            self.step, self.minutes = int(state["step"]), float(state["minutes"])
            self.best = float(state.get("best", -1.0))
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise TrainingError(f"cannot resume from {path}: it is no checkpoint of `reid guide`") from error
