"""The training loop."""

from __future__ import annotations

import inspect
import io
import logging
import math
import time
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from relaytrack.reid.datasets.augment import Augment
from relaytrack.reid.datasets.base import Split
from relaytrack.reid.datasets.images import ImageCache
from relaytrack.reid.datasets.sampler import PKSampler
from relaytrack.reid.errors import DatasetError, ReidOutputError, TrainingError
from relaytrack.reid.evaluation.embed import embed_files, evaluate_split
from relaytrack.reid.evaluation.ranking import RankingScores
from relaytrack.reid.model import ReidModel
from relaytrack.reid.outputs import check_folder, write_whole
from relaytrack.reid.precision import autocast
from relaytrack.reid.training import distributed, losses
from relaytrack.reid.training.batches import Batch, BatchMaker, to_network
from relaytrack.reid.training.config import TrainConfig
from relaytrack.reid.training.curves import draw_curves
from relaytrack.reid.training.ema import WeightAverage
from relaytrack.reid.training.interrupt import Interrupt
from relaytrack.reid.training.logs import RunLog
from relaytrack.reid.training.regularise import MixStyle
from relaytrack.reid.training.resuming import faces, why_other_people, why_other_run, why_other_tensors
from relaytrack.reid.training.schedule import Schedule, progress
from relaytrack.reid.training.speedup import decimate_strided_depthwise
from relaytrack.reid.training.statistics import measured_as_configured
from relaytrack.reid.training.sync_norm import synchronise_norms
from relaytrack.reid.training.teaching import Distillation, Teacher, begin

log = logging.getLogger(__name__)
# `relaytrack.reid.training.sync_norm` keeps the buffers alike; newer versions of torch have another name for that.
_NAMES = inspect.signature(DistributedDataParallel.__init__).parameters
_KEEP_BUFFERS: dict[str, Any] = {
    "forward_sync_buffers" if "forward_sync_buffers" in _NAMES else "broadcast_buffers": False
}


class Trainer:
    """Trains one network on one split.

    Args:
        config: the whole run.
        model: the network, with as many classes as `train` has identities.
        train: what is learned from.
        validation: held-out identities that the run is watched on; None for none.
        device: where to train.
        rank: this process of `world`.
        world: processes in all.
        cache: the images of `train`; made here where it is None.
    """

    def __init__(
        self,
        config: TrainConfig,
        model: ReidModel,
        train: Split,
        validation: Split | None = None,
        *,
        device: torch.device | str = "cpu",
        rank: int = 0,
        world: int = 1,
        cache: ImageCache | None = None,
    ) -> None:
        run = config.run
        self.config = config
        self.device = torch.device(device)
        self.rank, self.world = rank, world
        self.validation = validation
        self.out = Path(run.out)
        self.step = 0
        self.minutes = 0.0
        self.model = model.to(self.device)
        if run.channels_last:
            self.model = self.model.to(memory_format=torch.channels_last)
        if world > 1 and run.sync_norm and self.device.type == "cuda":
            converted = nn.SyncBatchNorm.convert_sync_batchnorm(self.model)  # type: ignore[no-untyped-call]
            assert isinstance(converted, ReidModel)
            self.model = converted
        if self.device.type == "cpu":
            decimate_strided_depthwise(self.model)
            if world > 1 and run.sync_norm:
                synchronise_norms(self.model)
        self.average = WeightAverage(self.model, run.ema) if run.ema else None
        if config.augment.mixstyle:
            for stage in (0, 1):
                block = self.model.backbone.blocks()[stage]
                last = list(block.children())[-1] if isinstance(block, nn.Sequential) else block
                MixStyle(config.augment.mixstyle).attach(last)
        self.attention = self.model.attention
        self.train = train
        self.labels = labels = np.searchsorted(train.identities, train.ids)
        data = config.data
        augment = Augment(**config.augment.model_dump(exclude={"mixstyle"}))
        self.cache = cache or make_cache(config, train, world)
        self.maker = BatchMaker(
            self.cache,
            labels,
            PKSampler(train.ids, data.identities, data.images, seed=run.seed),
            augment,
            rank=rank,
            world=world,
        )
        self.centre = (
            losses.CentreLoss(len(train.identities), model.dim).to(self.device) if config.loss.centre else None
        )
        self.teacher: Teacher | None = None
        self.distillation: Distillation | None = None
        if config.distil.teachers:
            if world > 1:
                raise TrainingError("distil.teachers: distillation runs in one process only")
            settings = config.distil.model_dump(exclude={"teachers"})
            self.teacher = Teacher(config.distil.teachers, config.run.device)
            self.distillation = Distillation(model.dim, self.teacher.dims, **settings).to(self.device)
        self.optimizer = self._optimizer()
        self.schedule = Schedule(
            config.optim.schedule,
            config.optim.warmup,
            config.optim.warmup_factor,
            config.optim.milestones,
            config.optim.gamma,
            config.optim.floor,
        )
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=run.precision == "fp16")
        self.best = -1.0

    # ---- the loop

    def run(self) -> RankingScores | None:
        """Train to the end (or to the interruption, which saves) and return the last validation's scores."""
        run = self.config.run
        scores: RankingScores | None = None
        check_folder(self.out)
        total = run.iterations
        if self.step == 0 and self.distillation is not None and self.teacher is not None:
            begin(self.distillation, self.teacher, self.model, self.cache, seed=run.seed)
        with RunLog(self.out, self.step, total, active=self.rank == 0) as log_to, Interrupt() as interrupt:
            began, minutes_before = time.monotonic(), self.minutes
            batches = self.maker.ahead(self.step, self._size, workers=self.config.data.workers)
            try:
                network = self._wrap()
                phase = self._size()
                while self.step < run.iterations:
                    self.minutes = minutes_before + distributed.agree((time.monotonic() - began) / 60)
                    if run.max_minutes is not None and self.minutes >= run.max_minutes:
                        break
                    if self._size() != phase:
                        network, phase = self._wrap(), self._size()
                    started = time.perf_counter()
                    batch = next(batches)
                    waited = time.perf_counter() - started
                    values = self._learn(network, batch)
                    values |= {"wait": waited, "seconds": time.perf_counter() - started, "minutes": self.minutes}
                    log_to.step(self.step, values, show=self.step % run.log_every == 0)
                    if self.step % run.save_every == 0:
                        self._try_to_save()
                    if self.step % run.validate_every == 0:
                        scores = self._validate(log_to)
                    if distributed.agree(float(interrupt.asked)):
                        self.save()
                        raise KeyboardInterrupt(f"interrupted at step {self.step}")
            finally:
                batches.close()
            self.save()
            if self.step % run.validate_every or scores is None:
                scores = self._validate(log_to)
            if self.rank == 0:
                try:
                    draw_curves(self.out)
                except ReidOutputError as error:
                    log.warning("%s", error)
        return scores

    def _learn(self, network: nn.Module, batch: Batch) -> dict[str, float]:
        """One step of the optimiser; returns what is logged."""
        run = self.config.run
        torch.manual_seed(run.seed * 1_000_003 + self.step * 64 + self.rank)
        factor = self.schedule.factor(self.progress)
        for group in self.optimizer.param_groups:
            group["lr"] = group["base"] * factor
        self.optimizer.zero_grad(set_to_none=True)
        total = {"loss": 0.0}
        parts = np.array_split(np.arange(len(batch.labels)), run.accumulate)
        for index, part in enumerate(parts):
            labels = torch.from_numpy(batch.labels[part]).to(self.device)
            x = to_network(batch.images[part], self.device, channels_last=run.channels_last)
            last = index == len(parts) - 1
            alone = isinstance(network, DistributedDataParallel) and not last
            with network.no_sync() if alone else nullcontext():  # type: ignore[operator]
                with autocast(run.precision, self.device):
                    feature, logits, embedding = network(x)
                loss, values = self._loss(feature, logits, labels)
                if self.teacher is not None and self.distillation is not None:
                    targets = [target.to(self.device) for target in self.teacher(batch.images[part])]
                    more, told = self.distillation(embedding, targets)
                    loss = loss + more
                    values |= told | {"loss": float(loss.detach())}
                if distributed.agree(float(not math.isfinite(values["loss"]))):
                    raise TrainingError(
                        f"the loss is not finite at step {self.step + 1}; "
                        f"the last good checkpoint is {self.out / 'last.pt'}"
                    )
                self.scaler.scale(loss / run.accumulate).backward()  # type: ignore[no-untyped-call]
            for name, value in values.items():
                total[name] = total.get(name, 0.0) + value / run.accumulate
        if self.config.optim.clip is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.config.optim.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.average is not None:
            self.average.update(self.model)
        self.step += 1
        return total | {"lr": self.optimizer.param_groups[0]["lr"], "loader": batch.seconds}

    def _loss(self, feature: Tensor, logits: Tensor, labels: Tensor) -> tuple[Tensor, dict[str, float]]:
        weights = self.config.loss
        values: dict[str, float] = {}
        loss = feature.new_zeros((), dtype=torch.float32)
        if weights.cross_entropy:
            part = losses.parts_cross_entropy(logits, labels, weights.smoothing)
            loss = loss + weights.cross_entropy * part
            values["cross_entropy"] = float(part.detach())
            whole = logits.mean(1) if logits.ndim == 3 else logits
            values["accuracy"] = float((whole.argmax(1) == labels).float().mean())
        features, ids = distributed.gather(feature.float()), distributed.gather_labels(labels)
        if weights.triplet:
            part = losses.batch_hard_triplet(features, ids, weights.margin)
            loss = loss + weights.triplet * part
            values["triplet"] = float(part.detach())
        if weights.circle:
            part = losses.circle(features, ids)
            loss = loss + weights.circle * part
            values["circle"] = float(part.detach())
        if self.centre is not None:
            part = self.centre(feature, labels)
            loss = loss + weights.centre * part
            values["centre"] = float(part.detach())
        values["loss"] = float(loss.detach())
        return loss, values

    # ---- parts of the run

    @property
    def progress(self) -> float:
        """How far the run is, 0..1."""
        run = self.config.run
        return progress(self.step, run.iterations, self.minutes, run.max_minutes)

    def _size(self) -> tuple[int, int]:
        for part in self.config.run.low_resolution:
            if self.progress < part.until:
                return part.height, part.width
        return self.config.model.height, self.config.model.width

    def _wrap(self) -> nn.Module:
        """The network of this part of the run: without attention while the images are smaller than its own."""
        full = self._size() == (self.config.model.height, self.config.model.width)
        self.model.attention = self.attention if full else nn.ModuleDict()
        for block in self.model.backbone.blocks()[: self.config.run.freeze_stages]:
            block.requires_grad_(not full)
        self.model.train()
        if self.config.run.freeze_norm:
            for module in self.model.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        network: nn.Module = self.model
        if self.world > 1:
            warnings.filterwarnings("ignore", message="Grad strides do not match")  # 1 x 1 kernels, channels last
            network = DistributedDataParallel(self.model, **_KEEP_BUFFERS)
        return network

    def _optimizer(self) -> torch.optim.Optimizer:
        optim = self.config.optim
        parts = [(optim.lr, list(self.model.parameters()))]
        if optim.backbone_factor != 1:
            body = {id(p) for p in self.model.backbone.parameters()}
            parts = [
                (optim.lr, [p for p in self.model.parameters() if id(p) not in body]),
                (optim.lr * optim.backbone_factor, list(self.model.backbone.parameters())),
            ]
        groups = []
        for rate, parameters in parts:
            plain = [p for p in parameters if p.ndim > 1]
            flat = [p for p in parameters if p.ndim <= 1]  # norms and biases do not decay
            groups.append({"params": plain, "lr": rate, "base": rate, "weight_decay": optim.weight_decay})
            groups.append({"params": flat, "lr": rate, "base": rate, "weight_decay": 0.0})
        if self.centre is not None:
            rate = self.config.loss.centre_lr
            groups.append({"params": list(self.centre.parameters()), "lr": rate, "base": rate, "weight_decay": 0.0})
        maps = [] if self.distillation is None else list(self.distillation.parameters())
        if maps:
            groups.append({"params": maps, "lr": optim.lr, "base": optim.lr, "weight_decay": 0.0})
        if optim.name == "sgd":
            return torch.optim.SGD(groups, momentum=optim.momentum, nesterov=optim.momentum > 0)
        return (torch.optim.AdamW if optim.name == "adamw" else torch.optim.Adam)(groups)

    def evaluated(self) -> ReidModel:
        """The network that is validated and shipped: the running average where there is one.

        A copy whose batch norms know the statistics of plain training images, in eval mode, and without the
        attention while the run is in its low-resolution part.
        """
        model = self.average.model if self.average is not None else self.model
        assert isinstance(model, ReidModel)
        held, size = model.attention, self._size()
        if size != (self.config.model.height, self.config.model.width):
            model.attention = nn.ModuleDict()
        try:
            return measured_as_configured(model, self.cache, self.config.run, size)
        finally:
            model.attention = held

    def _validate(self, log_to: RunLog) -> RankingScores | None:
        scores: RankingScores | None = None
        full = self._size() == (self.config.model.height, self.config.model.width)
        if self.validation is not None and self.rank == 0:
            try:
                scores = self._score(self.validation)
            except DatasetError as error:  # a picture that was there at the start is gone: no reason to end the run
                log.warning("no validation at step %d: %s", self.step, error)
        if scores is not None:
            log_to.validation(self.step, scores)
            if full and scores.mean_ap > self.best:
                self.best = scores.mean_ap
                self._try_to_save("best.pt")
        distributed.barrier()
        return scores

    def _score(self, validation: Split) -> RankingScores:
        model = self.evaluated()
        precision = self.config.run.precision
        embeddings = embed_files(model, validation.paths, self._size(), device=self.device, precision=precision)
        return evaluate_split(validation, embeddings)

    # ---- checkpoints

    def _try_to_save(self, name: str = "last.pt") -> None:
        """Save, or say that it failed: the run goes on, and the next checkpoint may fit."""
        try:
            self.save(name)
        except ReidOutputError as error:
            log.warning("step %d: %s; the training goes on", self.step, error)

    def save(self, name: str = "last.pt") -> None:
        """Write a checkpoint from which the run goes on, in place of the last one only when complete.

        Raises:
            ReidOutputError: it cannot be written; an earlier one stays as it was.
        """
        if self.rank:
            return
        shown, self.model.attention = self.model.attention, self.attention
        state = {
            "step": self.step,
            "minutes": self.minutes,
            "best": self.best,
            "config": self.config.dump(),
            "classes": self.model.num_classes,
            "people": faces(self.train, self.labels),
            "model": self.model.state_dict(),
            "average": None if self.average is None else self.average.model.state_dict(),
            "average_steps": 0 if self.average is None else self.average.steps,
            "optimizer": self.optimizer.state_dict(),
            "centre": None if self.centre is None else self.centre.state_dict(),
            "distillation": None if self.distillation is None else self.distillation.state_dict(),
            "scaler": self.scaler.state_dict(),
        }
        self.model.attention = shown
        buffer = io.BytesIO()
        torch.save(state, buffer)
        write_whole(self.out / name, buffer.getbuffer())

    def resume(self, path: Path | str) -> None:
        """Go on from a checkpoint.

        Raises:
            TrainingError: it is missing or unreadable, or of another network, other settings or other people; says
                which.
        """
        path = Path(path)
        if not path.is_file():
            raise TrainingError(f"cannot resume from {path}: no such file")
        try:
            state = torch.load(path, map_location=self.device, weights_only=True)
            stored, wanted = state["model"], self.model.state_dict()
            reason = (
                why_other_run(state, self.config)
                or why_other_people(state, self.train, self.labels)
                or why_other_tensors(stored, wanted)
            )
        except Exception as error:  # torch raises many kinds for files that are something else
            raise TrainingError(f"cannot resume from {path}: it is no training checkpoint") from error
        if reason is not None:
            raise TrainingError(
                f"cannot resume from {path}: {reason}; to go on with other people or settings, start anew with "
                "model.init=FILE (weights.safetensors of the run, or `relaytrack reid export` of the checkpoint)"
            )
        try:
            self.model.load_state_dict(state["model"])
            if self.average is not None:
                self.average.model.load_state_dict(state["average"])
                self.average.steps = state["average_steps"]
            if self.centre is not None:
                self.centre.load_state_dict(state["centre"])
            if self.distillation is not None:
                self.distillation.load_state_dict(state["distillation"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.scaler.load_state_dict(state["scaler"])
            self.step, self.minutes, self.best = state["step"], state["minutes"], state["best"]
        except Exception as error:
            detail = " ".join(str(error).split())
            raise TrainingError(f"cannot resume from {path}: {detail or type(error).__name__}") from error


def make_cache(config: TrainConfig, train: Split, world: int = 1) -> ImageCache:
    """The cache of a run's training images (this process's part of the memory that the run may take)."""
    model = config.model
    return ImageCache(train.paths, model.height, model.width, limit_mib=config.data.cache_mib / world)
