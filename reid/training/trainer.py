"""Training with identities, with teachers, or both, as a configuration says."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from relaytrack.reid.datasets.augment import Augment
from relaytrack.reid.datasets.base import Split
from relaytrack.reid.datasets.images import ImageCache
from relaytrack.reid.datasets.sampler import PKSampler
from relaytrack.reid.errors import DatasetError, TrainingError
from relaytrack.reid.evaluation.embed import embed_files, evaluate_split
from relaytrack.reid.evaluation.ranking import RankingScores
from relaytrack.reid.model import ReidModel
from relaytrack.reid.network_input import to_network
from relaytrack.reid.outputs import check_folder
from relaytrack.reid.precision import autocast
from relaytrack.reid.training import distributed
from relaytrack.reid.training.batches import Batch, BatchMaker, make_cache
from relaytrack.reid.training.callbacks import (
    Averaging,
    LearningRate,
    MixedSizes,
    StepLog,
    TrainingCheckpoints,
    Validation,
    try_to_save,
)
from relaytrack.reid.training.checkpoints import save_state
from relaytrack.reid.training.config import TrainConfig
from relaytrack.reid.training.curves import try_to_draw_curves
from relaytrack.reid.training.ema import averaged
from relaytrack.reid.training.groups import optimiser_of
from relaytrack.reid.training.logs import RunLog
from relaytrack.reid.training.loop import Callback, Loop
from relaytrack.reid.training.objective import Objective
from relaytrack.reid.training.placing import mix_styles, placed, ready
from relaytrack.reid.training.resuming import restore, trainer_state
from relaytrack.reid.training.schedule import Schedule, progress
from relaytrack.reid.training.sizes import Sizes
from relaytrack.reid.training.statistics import measured_as_configured
from relaytrack.reid.training.teaching import begin

log = logging.getLogger(__name__)


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
        self.train, self.validation = train, validation
        self.out = Path(run.out)
        self.step = 0
        self.minutes = 0.0
        self.best = -1.0
        self.model = placed(model, run, self.device, world)
        self.average = averaged(self.model, run.ema) if run.ema else None
        if config.augment.mixstyle:
            mix_styles(self.model, config.augment.mixstyle)
        self.sizes = Sizes(config, self.model, lambda: self.progress)
        self.labels = labels = np.searchsorted(train.identities, train.ids)
        data = config.data
        self.cache = cache or make_cache(config, train, world)
        self.maker = BatchMaker(
            self.cache,
            labels,
            PKSampler(train.ids, data.identities, data.images, seed=run.seed),
            Augment(**config.augment.model_dump(exclude={"mixstyle"})),
            rank=rank,
            world=world,
        )
        self._batches: Generator[Batch, None, None] | None = None
        self.objective = Objective(config, len(train.identities), model.dim, world).to(self.device)
        self.optimizer = optimiser_of(config.optim, self.model, self.objective.rates(config))
        self.schedule = Schedule.of(config.optim)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=run.precision == "fp16")
        self._network: nn.Module = self.model

    def run(self, *callbacks: Callback) -> RankingScores | None:
        """Train to the end (or to the interruption, which saves) and return the last validation's scores.

        Args:
            *callbacks: what else is done beside the steps, after everything else.
        """
        run = self.config.run
        check_folder(self.out)
        teacher, distillation = self.objective.teacher, self.objective.distillation
        if self.step == 0 and distillation is not None and teacher is not None:
            begin(distillation, teacher, self.model, self.cache, seed=run.seed)
        log_to = RunLog(self.out, run.iterations, active=self.rank == 0)
        watch = Validation(log_to, run.validate_every)
        beside: list[Callback] = [
            MixedSizes(self.sizes.now, self._get_ready),
            LearningRate(self.optimizer, lambda: self.schedule.factor(self.progress)),
            StepLog(log_to, run.log_every),
            TrainingCheckpoints(steps=run.save_every),
            watch,
            *callbacks,
        ]
        if self.average is not None:
            beside.insert(0, Averaging(self.average, self.whole))
        self._batches = self.maker.ahead(self.step, self.sizes.now, workers=self.config.data.workers)
        try:
            Loop(self, beside).run()
        finally:
            self._batches.close()
        if self.rank == 0:
            try_to_draw_curves(self.out)
        return watch.scores.get("")

    # ---- one step

    def learn(self) -> dict[str, float]:
        """See `relaytrack.reid.training.loop.Learner.learn`."""
        assert self._batches is not None
        started = time.perf_counter()
        batch = next(self._batches)
        waited = time.perf_counter() - started
        values = self._learn(batch)
        return values | {"wait": waited, "seconds": time.perf_counter() - started, "minutes": self.minutes}

    def _learn(self, batch: Batch) -> dict[str, float]:
        """One step of the optimiser; returns what is logged."""
        run, network = self.config.run, self._network
        torch.manual_seed(run.seed * 1_000_003 + self.step * 64 + self.rank)
        self.optimizer.zero_grad(set_to_none=True)
        total = {"loss": 0.0}
        parts = np.array_split(np.arange(len(batch.labels)), run.accumulate)
        for index, part in enumerate(parts):
            last = index == len(parts) - 1
            alone = isinstance(network, DistributedDataParallel) and not last
            with network.no_sync() if alone else nullcontext():  # type: ignore[operator]
                labels = torch.from_numpy(batch.labels[part]).to(self.device)
                x = to_network(batch.images[part], self.device, channels_last=run.channels_last)
                with autocast(run.precision, self.device):
                    output = network(x)
                loss, values = self.objective(output, labels, batch.images[part])
                if distributed.agree(float(not math.isfinite(values["loss"]))):
                    raise TrainingError(
                        f"the loss is not finite at step {self.step + 1}; "
                        f"the last good checkpoint is {self.out / 'last.pt'}"
                    )
                self.scaler.scale(loss / run.accumulate).backward()
            for name, value in values.items():
                total[name] = total.get(name, 0.0) + value / run.accumulate
        if self.config.optim.clip is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.config.optim.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.step += 1
        return total | {"lr": self.optimizer.param_groups[0]["lr"], "loader": batch.seconds}

    # ---- parts of the run

    @property
    def progress(self) -> float:
        """How far the run is, 0..1."""
        run = self.config.run
        return progress(self.step, run.iterations, self.minutes, run.max_minutes)

    def _get_ready(self) -> None:
        self._network = ready(self.model, self.config.run, self.world, full=self.sizes.choose())

    def whole(self) -> AbstractContextManager[ReidModel]:
        """The network with its attention, also while it learns without."""
        return self.sizes.whole()

    def evaluated(self) -> ReidModel:
        """The network that is validated and shipped: the running average where there is one.

        A copy whose batch norms know the statistics of plain training images, in eval mode, and without the
        attention while the run is in its low-resolution part.
        """
        model = self.average.module if self.average is not None else self.model
        assert isinstance(model, ReidModel)
        with self.sizes.as_now(model):
            return measured_as_configured(model, self.cache, self.config.run, self.sizes.now())

    def validate(self) -> Mapping[str, RankingScores]:
        """Score the held-out people; the best averaged network is kept in `best.pt`."""
        scores: dict[str, RankingScores] = {}
        if self.validation is not None and self.rank == 0:
            try:
                paths, size, precision = self.validation.paths, self.sizes.now(), self.config.run.precision
                embeddings = embed_files(self.evaluated(), paths, size, device=self.device, precision=precision)
                scores[""] = evaluate_split(self.validation, embeddings)
            except DatasetError as error:  # a picture that was there at the start is gone: no reason to end the run
                log.warning("no validation at step %d: %s", self.step, error)
        if scores and self.sizes.full and scores[""].mean_ap > self.best:
            self.best = scores[""].mean_ap
            try_to_save(self, "best.pt")
        distributed.barrier()
        return scores

    # ---- checkpoints

    def save(self, name: str = "last.pt") -> None:
        """Write a checkpoint from which the run goes on, in place of the last one only when complete.

        Raises:
            ReidOutputError: it cannot be written; an earlier one stays as it was.
        """
        if self.rank == 0:
            save_state(self.out / name, trainer_state(self))

    def resume(self, path: Path | str) -> None:
        """Go on from a checkpoint.

        Raises:
            TrainingError: it is missing or unreadable, or of another network, other settings or other people; says
                which.
        """
        restore(self, Path(path))
