"""Weights that learn a site: a teacher's answers to the site's own crops, of which nobody knows the identities."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from relaytrack.reid.checkpoint import WeightsInfo, load_info, load_model, save_model
from relaytrack.reid.datasets.base import Split
from relaytrack.reid.datasets.images import ImageCache, read_resized
from relaytrack.reid.device import resolve_device
from relaytrack.reid.errors import DatasetError, WeightsError
from relaytrack.reid.installed import find_weights
from relaytrack.reid.model import ModelSpec, ReidModel, build_model
from relaytrack.reid.network_input import to_network
from relaytrack.reid.training.config import ModelConfig, TrainConfig
from relaytrack.reid.training.config_file import parse_config
from relaytrack.reid.training.site_crops import LEAST_CROPS
from relaytrack.reid.training.start import decoded, initialise
from relaytrack.reid.training.teaching import Distillation, Teacher, begin
from relaytrack.reid.training.trainer import Trainer

HELD = 8
"""Every eighth crop is not learned from: on these it is measured whether the student came closer."""


@dataclasses.dataclass(frozen=True, slots=True)
class AdaptReport:
    """What an adaptation did.

    Attributes:
        path: the weights written.
        crops: images learned from.
        held: images measured on.
        before: (1 - cosine through the fitted map, divergence of the similarities) from the teacher, at the start.
        after: the same at the end.
    """

    path: Path
    crops: int
    held: int
    before: tuple[float, float]
    after: tuple[float, float]

    @property
    def better(self) -> bool:
        """Whether the sum of both came down on crops that were not learned from."""
        return sum(self.after) < sum(self.before)


def adapt(
    crops: Sequence[Path],
    target: Path,
    *,
    start: Path | str | None = None,
    teachers: Sequence[str] = (),
    iterations: int = 300,
    batch: int = 32,
    rate: float = 1e-4,
    device: str | torch.device = "auto",
    folder: Path = Path("out/adapt"),
) -> AdaptReport:
    """Train weights further on crops without identities, and write them.

    Args:
        crops: pictures of people; those that cannot be decoded are left out with a warning.
        target: weights to write (.safetensors).
        start: weights to begin with: a file, a name of installed weights, or None for the default ones.
        teachers: networks to learn from; none: the best of the installed ones (`default_teacher`).
        iterations: steps.
        batch: crops in a step (all of them where there are fewer).
        rate: largest learning rate.
        device: where to train.
        folder: for logs and checkpoints.

    Raises:
        WeightsError: the start or a teacher is missing or of no use, or the start is an ONNX file.
        DatasetError: too few crops can be decoded.
        ReidOutputError: the target cannot be written.
    """
    first = find_weights(start)
    if first.suffix != ".safetensors":
        raise WeightsError(f"{first} cannot be trained further: only .safetensors weights can")
    spec, info = load_model(first).spec, load_info(first)
    named = list(teachers) or [default_teacher(first)]
    held, learned = list(crops[::HELD]), [path for at, path in enumerate(crops) if at % HELD]
    config = adapting_config(spec, first, named, min(batch, len(learned)), iterations, rate, device, folder)
    split = Split(tuple(learned), np.arange(len(learned)), np.zeros(len(learned), np.int64))
    split, cache = decoded(config, split, 1)
    held = _readable(held)
    if len(split) < LEAST_CROPS // 2 or len(held) < 2:
        raise DatasetError(f"adapt: only {len(split) + len(held)} crops can be decoded")
    config = adapting_config(spec, first, named, min(batch, len(split)), iterations, rate, device, folder)
    where = torch.device(resolve_device(device))
    torch.manual_seed(config.run.seed)
    model = build_model(spec, len(split))
    initialise(model, str(first))
    trainer = Trainer(config, model, split, device=where, cache=cache)
    teacher = trainer.objective.teacher
    assert teacher is not None
    before = _distance(trainer.model, teacher, cache, held, where)
    trainer.run()
    assert trainer.average is not None
    made = trainer.average.module  # with the batch-norm statistics of the start: the site's are those of few people
    assert isinstance(made, ReidModel)
    after = _distance(made, teacher, cache, held, where)
    path = save_model(target, made, _described(info, named, len(split), iterations), half=True)
    return AdaptReport(path, len(split), len(held), before, after)


def default_teacher(student: Path) -> str:
    """The installed weights that a student learns from where nothing else is said: the best that are not its own.

    Best by the mean mAP of the validation people that each file states. Forms in 8-bit integers teach nothing that
    the exact ones don't.
    """
    from relaytrack.reid.catalogue import catalogue

    exact = [entry for entry in catalogue() if not entry.name.endswith("-int8")]
    found = [entry for entry in exact if find_weights(entry.name) != student]
    if not found:
        raise WeightsError("no other weights are installed to learn from: name a teacher")
    return max(found, key=lambda entry: sum(score[2] for score in entry.scores) / max(1, len(entry.scores))).name


def adapting_config(
    spec: ModelSpec,
    start: Path,
    teachers: Sequence[str],
    batch: int,
    iterations: int,
    rate: float,
    device: str | torch.device,
    folder: Path,
) -> TrainConfig:
    """The configuration of an adaptation: distillation alone, batch-norm statistics as they are, real changes.

    Args:
        spec: of the network.
        start: its weights.
        teachers: files or names of weights.
        batch: crops in a step; there must be so many.
        iterations: steps.
        rate: largest learning rate.
        device: where to train.
        folder: for logs and checkpoints.
    """
    values = spec.to_dict()
    model = {key: value for key, value in values.items() if key in ModelConfig.model_fields} | {"init": str(start)}
    return parse_config(
        {
            "data": {
                "sources": [{"name": "crops", "root": str(folder)}],
                "validation": "none",
                "identities": batch,
                "images": 1,
            },
            "augment": {"scale": 0.1, "erase": 0.2, "jitter": 0.3, "downscale": 0.2, "blur": 0.1},
            "model": model,
            "loss": {"cross_entropy": 0, "triplet": 0},
            "distil": {"teachers": list(teachers)},
            "optim": {"name": "adamw", "lr": rate, "warmup": 0.1, "clip": 5.0},
            "run": {
                "out": str(folder),
                "iterations": iterations,
                "device": device,
                "freeze_norm": True,
                "ema": 0.98,
                "save_every": max(1, iterations),
                "validate_every": max(1, iterations),
            },
        },
        "adapt",
    )


@torch.no_grad()
def _distance(
    model: ReidModel, teacher: Teacher, cache: ImageCache, held: Sequence[Path], device: torch.device
) -> tuple[float, float]:
    """How far a student is from its teacher on held crops: through a map fitted on the others, and by relations."""
    model.eval()
    maps = Distillation(model.dim, teacher.dims).to(device)
    begin(maps, teacher, model, cache)
    views = read_resized(held, model.spec.height, model.spec.width)
    parts = np.array_split(views, -(-len(views) // 64))
    student = torch.cat([model(to_network(part, device)).float() for part in parts])
    _, values = maps(student, [target.to(device) for target in teacher(views)])
    return values["cosine"], values["relational"]


def _readable(paths: Sequence[Path]) -> list[Path]:
    from relaytrack.reid.training.held_out import readable

    split = Split(tuple(paths), np.arange(len(paths)), np.zeros(len(paths), np.int64))
    return list(readable(split, "crops that are measured on").paths)


def _described(info: WeightsInfo, teachers: Sequence[str], crops: int, iterations: int) -> WeightsInfo:
    """What adapted weights say: as their start, but for the results, which were another network's."""
    told = ", ".join(Path(teacher).name for teacher in teachers)
    return dataclasses.replace(
        info,
        name=f"{info.name or 'weights'}, adapted",
        dataset=f"{info.dataset} + {crops} crops of a site",
        results={},
        recipe=f"{iterations} steps of distillation from {told}, beginning with: {info.recipe}",
    )
