"""The training loop: draw, change, ask the teachers, learn."""

from __future__ import annotations

import dataclasses
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
from relaytrack.reid.errors import TrainingError
from relaytrack.reid.evaluation.embed import embed_files, evaluate_split
from relaytrack.reid.guided.pictures import Pictures
from relaytrack.reid.guided.teacher import Teachers, normalised
from relaytrack.reid.guided.views import random_views
from relaytrack.reid.model import ReidModel
from relaytrack.reid.training.distillation import cosine_regression, relational_divergence
from relaytrack.reid.training.losses import batch_hard_triplet

Say = Callable[[str], None]
_PER_PERSON = 4  # pictures of a person in a batch
_NEW = ("attention", "head.project", "head.neck", "head.classifier")  # tensors that learn at twice the rate
_REGRESSED = 8192  # pictures on which the head is regressed at the start


@dataclasses.dataclass(frozen=True, slots=True)
class Recipe:
    """How to train. The defaults are those of the shipped weights.

    Attributes:
        batch: pictures per step.
        people: people per step of whom four pictures are drawn; the rest is drawn from everything.
        steps: steps in all; None ends by `minutes`.
        minutes: minutes in all, if `steps` is None.
        lr: learning rate of the inherited tensors, reached after `warmup` steps, then a cosine.
        warmup: steps.
        weight_decay: AdamW's.
        regression: weight of the cosine regression.
        relation: weight of the relational divergence.
        cross_entropy: weight of the label-smoothed cross-entropy.
        triplet: weight of the batch-hard triplet loss.
        average: decay of the averaged weights, per step.
        every: steps between validations.
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
    every: int = 500
    seed: int = 0


def guide(
    model: ReidModel,
    teachers: Sequence[nn.Module],
    pictures: Pictures,
    validation: Mapping[str, Split],
    recipe: Recipe,
    out: Path,
    say: Say = print,
    *,
    fresh_head: bool = True,
) -> Path:
    """Train `model` (in place) and write its averaged weights to `out/weights.safetensors` at each validation.

    Args:
        model: the student, with its classifier for `pictures.classes`, on the pictures' device; its head has one part
            per teacher.
        teachers: networks from normalised pictures (B, 3, 256, 128) to embeddings of length 1.
        pictures: what to learn from.
        validation: people to score now and then; nothing is chosen by it.
        recipe: how.
        out: folder to write to.
        say: told how it goes, a line at a time.
        fresh_head: let the head begin as a regression on the teachers' embeddings.

    Returns:
        The file written.

    Raises:
        TrainingError: fewer pictures or people than a batch takes, or a head without a part per teacher.
    """
    device, count = pictures.images.device, len(pictures.images)
    people = min(recipe.people, pictures.classes)
    labelled = people * _PER_PERSON
    if not isinstance(model.head, GlobalDepthwiseHead) or model.head.parts != len(teachers):
        raise TrainingError(f"{len(teachers)} teachers need a depthwise head of as many parts")
    if labelled > recipe.batch or count < recipe.batch:
        raise TrainingError(f"{count} pictures and {people} people do not fill a batch of {recipe.batch}")
    torch.manual_seed(recipe.seed)
    random = np.random.default_rng(recipe.seed)
    ask = Teachers(teachers, recipe.batch, device)
    size = (model.spec.height, model.spec.width)
    if fresh_head:
        _regress_head(model, ask, pictures, recipe.batch)
    averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(recipe.average), use_buffers=True)  # type: ignore[no-untyped-call]
    fresh = [p for name, p in model.named_parameters() if name.startswith(_NEW)]
    known = {id(p) for p in fresh}
    groups = [
        {"params": [p for p in model.parameters() if id(p) not in known], "rate": 1.0},
        {"params": fresh, "rate": 2.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=recipe.lr, weight_decay=recipe.weight_decay)
    members = _Members(pictures.labels, pictures.classes)
    begin, step = time.monotonic(), 0
    while (done := _done(recipe, step, time.monotonic() - begin)) < 1:
        rate = recipe.lr * min(1.0, (step + 1) / recipe.warmup) * (0.005 + 0.995 * 0.5 * (1 + math.cos(math.pi * done)))
        for group in optimizer.param_groups:
            group["lr"] = rate * group["rate"]
        chosen = torch.cat([members.draw(people), torch.multinomial(pictures.draw, recipe.batch - labelled)])
        plain, worse, whole = random_views(pictures.images[chosen], size, random)
        told = ask(plain)
        model.train()
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            feature, logits, _ = model(normalised(worse))
        loss = _loss(feature.float(), logits.float(), told, pictures.labels[chosen], whole, labelled, recipe)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        averaged.update_parameters(model)
        step += 1
        if step % 100 == 0:
            speed = step * recipe.batch / (time.monotonic() - begin)
            say(f"step {step}: loss {loss.item():.3f}, {speed:.0f} pictures/s")
        if step % recipe.every == 0:
            _store(averaged, validation, out, f"step {step}", say)
    return _store(averaged, validation, out, f"end, step {step}", say)


def _done(recipe: Recipe, step: int, seconds: float) -> float:
    return step / recipe.steps if recipe.steps is not None else seconds / (60 * recipe.minutes)


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


class _Members:
    """Draws pictures by person."""

    def __init__(self, labels: Tensor, classes: int) -> None:
        known = torch.nonzero(labels >= 0)[:, 0]
        self._images = known[torch.argsort(labels[known])]
        self._counts = torch.bincount(labels[known], minlength=classes)
        self._starts = self._counts.cumsum(0) - self._counts

    def draw(self, people: int) -> Tensor:
        """Images of some people, `_PER_PERSON` of each, one after the other; with repeats."""
        device = self._counts.device
        chosen = torch.randperm(len(self._counts), device=device)[:people]
        offset = torch.rand(people, _PER_PERSON, device=device) * self._counts[chosen][:, None]
        return self._images[(self._starts[chosen][:, None] + offset.long()).flatten()]


@torch.no_grad()
def _regress_head(model: ReidModel, ask: Teachers, pictures: Pictures, batch: int) -> None:
    """Let every part of the head begin as a ridge regression of its teacher on the pooled map, in place."""
    head = model.head
    assert isinstance(head, GlobalDepthwiseHead)
    model.eval()
    count = min(_REGRESSED, len(pictures.images)) // batch * batch
    chosen = torch.randperm(len(pictures.images), device=pictures.images.device)[:count]
    inputs, targets = [], []
    for some in torch.split(chosen, batch):
        x = pictures.images[some].permute(0, 3, 1, 2).float() / 255
        targets.append(torch.cat(ask(x), dim=1).double())
        inputs.append(head.pooled(model.feature_map(normalised(resized(x, model)))).double())
    x, y = torch.cat(inputs), torch.cat(targets)
    ridge = 5e-5 * len(x) * x.var(0).mean()
    x = torch.cat([x, torch.ones_like(x[:, :1])], dim=1)
    solved = torch.linalg.solve(x.T @ x + ridge * torch.eye(x.shape[1], dtype=x.dtype, device=x.device), x.T @ y)
    head.project.weight.copy_(solved[:-1].T)
    head.project.bias.copy_(solved[-1])


def resized(pictures: Tensor, model: ReidModel) -> Tensor:
    """Pictures (B, 3, H, W) at the network's input size, as the pipeline resizes crops (bilinear)."""
    return F.interpolate(pictures, size=(model.spec.height, model.spec.width), mode="bilinear", align_corners=False)


def _store(averaged: AveragedModel, validation: Mapping[str, Split], out: Path, when: str, say: Say) -> Path:
    model = averaged.module
    assert isinstance(model, ReidModel)
    scores = ", ".join(f"{name} {_score(model, split)}" for name, split in validation.items())
    say(f"{when}: {scores or 'no validation people'}")
    return save_model(out / "weights.safetensors", model, WeightsInfo(recipe=f"relaytrack reid guide, {when}"))


def _score(model: ReidModel, split: Split) -> str:
    """Rank-1 and mAP in per cent."""
    size = (model.spec.height, model.spec.width)
    embeddings = embed_files(model, split.paths, size, device=next(model.parameters()).device)
    scores = evaluate_split(split, embeddings)
    return f"rank-1 {100 * scores.rank1:.1f} mAP {100 * scores.mean_ap:.1f}"
