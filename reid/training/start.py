"""From a configuration to a trainer that is ready to run."""

from __future__ import annotations

import logging
from pathlib import Path

import torch

from reid.backbones.pretrained import load_imagenet
from reid.datasets.base import Split
from reid.datasets.factory import hold_out, join, load_dataset
from reid.errors import ConfigError
from reid.model import ModelSpec, build_model
from reid.training import distributed
from reid.training.config import TrainConfig
from reid.training.trainer import Trainer

log = logging.getLogger(__name__)


def splits(config: TrainConfig) -> tuple[Split, Split | None]:
    """The images to learn from and the held-out identities (None for none) of all sources, joined."""
    train, validation = [], []
    for source in config.data.sources:
        part = load_dataset(source.name, source.root).train
        if config.data.validation == "fixed":
            part, held = hold_out(source.name, part)
            validation.append(held)
        train.append(part)
    return join(train), join(validation) if validation else None


def spec_of(config: TrainConfig) -> ModelSpec:
    """The network of a configuration."""
    return ModelSpec(**config.model.model_dump(exclude={"init"}))


def prepare(config: TrainConfig, *, resume: Path | None = None) -> Trainer:
    """Load the data, build the network, and go to the checkpoint if one is given.

    Raises:
        ReidError: the data, the initial weights or the checkpoint cannot be used.
    """
    run = config.run
    device = torch.device(choose_device(run.device))
    if run.threads:
        torch.set_num_threads(run.threads)
    rank, world = distributed.start(device)
    torch.manual_seed(run.seed)
    train, validation = splits(config)
    model = build_model(spec_of(config), len(train.identities))
    if resume is None and config.model.init == "imagenet":
        raise ConfigError("model.init: imagenet needs the network")  # completed below
    if resume is None and config.model.init not in ("scratch", "imagenet"):
        load_imagenet(model.backbone, config.model.init)
    trainer = Trainer(config, model, train, validation, device=device, rank=rank, world=world)
    if resume is not None:
        trainer.resume(resume)
    if rank == 0:
        log.info(
            "%d images of %d identities, %d held out; %s on %s, %d process(es)",
            len(train),
            len(train.identities),
            0 if validation is None else len(validation.identities),
            config.model.backbone,
            device,
            world,
        )
    return trainer


def choose_device(name: str) -> str:
    """ "auto" is the first GPU where there is one, else the CPU."""
    if name != "auto":
        return name
    return "cuda" if torch.cuda.is_available() else "cpu"
