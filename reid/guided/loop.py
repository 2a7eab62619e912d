"""The training loop: draw, change, ask the teachers, learn; checkpoints from which it goes on."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from relaytrack.reid.checkpoint import WeightsInfo, save_model
from relaytrack.reid.datasets.base import Split
from relaytrack.reid.depthwise_head import GlobalDepthwiseHead
from relaytrack.reid.errors import ReidOutputError, TrainingError
from relaytrack.reid.evaluation.embed import embed_files, evaluate_split
from relaytrack.reid.guided.draw import Draw
from relaytrack.reid.guided.memory import TeacherMemory
from relaytrack.reid.guided.pictures import TrainingPictures
from relaytrack.reid.guided.recipe import PER_PERSON, Recipe
from relaytrack.reid.guided.regress import regress_head
from relaytrack.reid.guided.state import load_state, random_states, restore_random, save_state
from relaytrack.reid.guided.teacher import Teachers, normalised
from relaytrack.reid.guided.views import random_views
from relaytrack.reid.model import ReidModel
from relaytrack.reid.precision import autocast, usable_precision
from relaytrack.reid.training.distillation import cosine_regression, relational_divergence
from relaytrack.reid.training.interrupt import Interrupt
from relaytrack.reid.training.losses import batch_hard_triplet

Say = Callable[[str], None]
_NEW = ("attention", "head.project", "head.neck", "head.classifier")  # tensors that learn at twice the rate


class Guided:
    """One training with teachers.

    Args:
        model: the student, trained in place, with its classifier for `pictures.classes`, on the pictures' device; its
            head has one part per teacher.
        teachers: networks from normalised pictures (B, 3, 256, 128) to embeddings of length 1.
        pictures: what to learn from.
        validation: people to score now and then; nothing is chosen by it.
        recipe: how.
        out: folder for `weights.safetensors` (the averaged weights, at each validation) and `last.pt`, the checkpoint.
        say: told how it goes, a line at a time.
        key: names pictures and teachers (`relaytrack.reid.guided.memory.picture_key`).
        memory: folder of the teachers' answers; None: `out`.

    Raises:
        TrainingError: fewer pictures or people than a batch takes, or a head without a part per teacher.
    """

    def __init__(
        self,
        model: ReidModel,
        teachers: Sequence[nn.Module],
        pictures: TrainingPictures,
        validation: Mapping[str, Split],
        recipe: Recipe,
        out: Path,
        say: Say = print,
        *,
        key: str,
        memory: Path | None = None,
    ) -> None:
        device, count = pictures.images.device, len(pictures.images)
        people = min(recipe.people, pictures.classes)
        if not isinstance(model.head, GlobalDepthwiseHead) or model.head.parts != len(teachers):
            raise TrainingError(f"{len(teachers)} teachers need a depthwise head of as many parts")
        if people * PER_PERSON > recipe.batch or count < recipe.batch:
            raise TrainingError(f"{count} pictures and {people} people do not fill a batch of {recipe.batch}")
        torch.manual_seed(recipe.seed)
        self._random = np.random.default_rng(recipe.seed)
        self.model, self._pictures, self._validation = model, pictures, validation
        self._recipe, self._out, self._say, self._key = recipe, out, say, key
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
        self.averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(recipe.average), use_buffers=True)  # type: ignore[no-untyped-call]
        self._optimizer = _optimizer(model, recipe)
        self.step, self._seconds = 0, 0.0

    def regress_head(self) -> None:
        """Let the head begin as a regression on the teachers' embeddings; before the first step."""
        batch = self._recipe.batch
        regress_head(self.model, Teachers(self._teachers, batch, self._device), self._pictures, batch)
        self.averaged.module.load_state_dict(self.model.state_dict())

    def run(self) -> Path:
        """Train to the end.

        Returns:
            The file with the averaged weights.

        Raises:
            KeyboardInterrupt: Ctrl-C or SIGTERM; a checkpoint has been written.
            TrainingError: the loss is not finite; the last checkpoint is from before.
        """
        recipe = self._recipe
        before, began, saved, first = self._seconds, time.monotonic(), time.monotonic(), self.step
        with Interrupt() as interrupt:
            while self._done() < 1:
                loss = self._learn()
                self._seconds = before + time.monotonic() - began
                if self.step % 100 == 0 or self.step == first + 10:
                    speed = (self.step - first) * recipe.batch / (time.monotonic() - began)
                    self._say(f"step {self.step}: loss {loss:.3f}, {speed:.1f} pictures/s, {100 * self._done():.0f} %")
                if self.step % recipe.every == 0:
                    self._store(f"step {self.step}")
                if interrupt.asked:
                    self.save()
                    raise KeyboardInterrupt(f"interrupted at step {self.step}")
                if time.monotonic() - saved >= 60 * recipe.save_minutes:
                    self._try_to_save()
                    saved = time.monotonic()
            self._try_to_save()
            return self._store(f"end, step {self.step}")

    def _learn(self) -> float:
        """One step; returns its loss."""
        recipe, pictures = self._recipe, self._pictures
        rate = recipe.lr * self._rate()
        for group in self._optimizer.param_groups:
            group["lr"] = rate * group["rate"]
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
        loss = _loss(feature.float(), logits.float(), told, pictures.labels[chosen], whole, self._draw.labelled, recipe)
        if not math.isfinite(loss.item()):
            raise TrainingError(f"the loss is not finite at step {self.step + 1}; the last checkpoint is from before")
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
        self._optimizer.step()
        self.averaged.update_parameters(self.model)
        self.step += 1
        return loss.item()

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

    def _done(self) -> float:
        recipe = self._recipe
        return self.step / recipe.steps if recipe.steps is not None else self._seconds / (60 * recipe.minutes)

    def _rate(self) -> float:
        warm = min(1.0, (self.step + 1) / self._recipe.warmup)
        return warm * (0.005 + 0.995 * 0.5 * (1 + math.cos(math.pi * self._done())))

    # ---- what is kept

    def save(self) -> None:
        """Write `last.pt`, from which the training goes on, in place of the last one only when it is whole.

        Raises:
            ReidOutputError: it cannot be written; the earlier one stays.
        """
        state = {
            "spec": self.model.spec.to_dict(),
            "classes": self._pictures.classes,
            "key": self._key,
            "step": self.step,
            "seconds": self._seconds,
            "model": self.model.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "random": random_states(self._random, self._device),
        }
        save_state(self._out / "last.pt", state)

    def _try_to_save(self) -> None:
        try:
            self.save()
        except ReidOutputError as error:
            self._say(f"step {self.step}: {error}; the training goes on")

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
            self.averaged.load_state_dict(state["averaged"])
            self._optimizer.load_state_dict(state["optimizer"])
            restore_random(state["random"], self._random, self._device)
            self.step, self._seconds = int(state["step"]), float(state["seconds"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise TrainingError(f"cannot resume from {path}: it is no checkpoint of `reid guide`") from error

    def _store(self, when: str) -> Path:
        model = self.averaged.module
        assert isinstance(model, ReidModel)
        scores = ", ".join(f"{name} {_score(model, split)}" for name, split in self._validation.items())
        self._say(f"{when}: {scores or 'no validation people'}")
        return save_model(
            self._out / "weights.safetensors", model, WeightsInfo(recipe=f"relaytrack reid guide, {when}")
        )


def _optimizer(model: ReidModel, recipe: Recipe) -> torch.optim.Optimizer:
    fresh = [p for name, p in model.named_parameters() if name.startswith(_NEW)]
    known = {id(p) for p in fresh}
    groups = [
        {"params": [p for p in model.parameters() if id(p) not in known], "rate": 1.0},
        {"params": fresh, "rate": 2.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.lr, weight_decay=recipe.weight_decay)


def _loss(
    feature: Tensor,
    logits: Tensor,
    told: Sequence[Tensor],
    labels: Tensor,
    whole: Tensor,
    labelled: int,
    recipe: Recipe,
) -> Tensor:
    parts = feature.chunk(len(told), dim=1)
    loss = recipe.regression * cosine_regression(parts, told)
    loss = loss + recipe.relation * relational_divergence(feature, torch.cat(list(told), dim=1))
    if not labelled:
        return loss
    sure = (labels >= 0) & whole
    each = F.cross_entropy(logits, labels.clamp_min(0), label_smoothing=0.1, reduction="none")
    loss = loss + recipe.cross_entropy * (each * sure).sum() / sure.sum().clamp_min(1)
    # whoever is put together from two people is somebody new
    new = logits.shape[1] + torch.arange(labelled, device=labels.device)
    names = torch.where(whole[:labelled], labels[:labelled], new)
    return loss + recipe.triplet * batch_hard_triplet(F.normalize(feature[:labelled]), names, 0.3)


def _score(model: ReidModel, split: Split) -> str:
    """Rank-1 and mAP in per cent."""
    size = (model.spec.height, model.spec.width)
    embeddings = embed_files(model, split.paths, size, device=next(model.parameters()).device)
    scores = evaluate_split(split, embeddings)
    return f"rank-1 {100 * scores.rank1:.1f} mAP {100 * scores.mean_ap:.1f}"
