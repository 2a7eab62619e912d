"""From a configuration to a trainer that is ready to run."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

import numpy as np
import torch

from relaytrack.reid.attention.resize import resized_state
from relaytrack.reid.backbones.pretrained import load_imagenet
from relaytrack.reid.checkpoint import load_into, load_model, names_network, only_for_training
from relaytrack.reid.datasets.base import Split
from relaytrack.reid.datasets.factory import hold_out, join, load_train
from relaytrack.reid.datasets.images import ImageCache
from relaytrack.reid.depthwise_head import GlobalDepthwiseHead, resized_pool
from relaytrack.reid.device import resolve_device
from relaytrack.reid.errors import DatasetError, ReidConfigError, WeightsError
from relaytrack.reid.inherit import inherit
from relaytrack.reid.installed import find_weights
from relaytrack.reid.model import ModelSpec, ReidModel, build_model
from relaytrack.reid.precision import usable_precision
from relaytrack.reid.tensorfile import read_tensors
from relaytrack.reid.training import distributed
from relaytrack.reid.training.batches import make_cache
from relaytrack.reid.training.config import TrainConfig
from relaytrack.reid.training.held_out import usable
from relaytrack.reid.training.trainer import Trainer

TORCHVISION = {"resnet50": "resnet50-0676ba61.pth", "mobilenet_v2": "mobilenet_v2-b0353104.pth"}

log = logging.getLogger(__name__)


def splits(config: TrainConfig) -> tuple[Split, Split | None]:
    """The images to learn from and the held-out identities (None for none) of all sources, joined."""
    train, validation = [], []
    for source in config.data.sources:
        part = load_train(source.name, source.root)
        if config.data.validation == "fixed":
            part, held = hold_out(source.name, part)
            validation.append(held)
        train.append(part)
    return join(train), join(validation) if validation else None


def _need_people(config: TrainConfig, train: Split, validation: Split | None) -> None:
    """Refuse a data set with too few people for one batch, before anything is built.

    Raises:
        DatasetError: there are too few; says how many are there and how many of them are held out.
    """
    there, wanted = len(train.identities), config.data.identities
    if there < wanted:
        held = 0 if validation is None else len(validation.identities)
        kept = f" ({held} more held out for validation, see data.validation)" if held else ""
        people = "person is" if there == 1 else "people are"
        raise DatasetError(
            f"{there} {people} there to learn from{kept}, too few for batches of {wanted} (data.identities)"
        )


def spec_of(config: TrainConfig) -> ModelSpec:
    """The network of a configuration."""
    return ModelSpec(**config.model.model_dump(exclude={"init"}))


def _need_weights(config: TrainConfig, *, resume: bool) -> None:
    """Find or fetch the files of weights that the run names, before the data is read.

    Raises:
        WeightsError: a file is missing.
        ReidConfigError: ImageNet's weights cannot be fetched.
    """
    for teacher in config.distil.teachers:
        try:
            find_weights(teacher)
        except WeightsError as error:
            raise WeightsError(f"distil.teachers: {error}") from error
    init = config.model.init
    if resume or init == "scratch":
        return
    if init == "imagenet":
        _fetch(config.model.backbone)
    elif not Path(init).is_file():
        raise WeightsError(f"model.init: no such file: {init}")


def prepare(config: TrainConfig, *, resume: Path | None = None) -> Trainer:
    """Load the data, build the network, and go to the checkpoint if one is given.

    Images that cannot be decoded are left out, with a warning that says how many and names the first. Held-out
    people on whom the run cannot be validated are named before the first step, too; the run then has no validation.

    Raises:
        ReidError: the data, the initial weights or the checkpoint cannot be used.
    """
    device = torch.device(resolve_device(config.run.device, key="run.device", error=ReidConfigError))
    precision = usable_precision(config.run.precision, device)
    if precision != config.run.precision:
        log.warning("this CPU has no bfloat16 arithmetic: training in fp32 (run.precision), many times faster here")
        config = config.model_copy(update={"run": config.run.model_copy(update={"precision": precision})})
    run = config.run
    if run.threads:
        torch.set_num_threads(run.threads)
    _need_weights(config, resume=resume is not None)
    rank, world = distributed.start(device)
    torch.manual_seed(run.seed)
    train, validation = splits(config)
    train, cache = decoded(config, train, world)
    _need_people(config, train, validation)
    validation = usable(validation, workers=config.data.workers)
    model = build_model(spec_of(config), len(train.identities))
    if resume is None:
        initialise(model, config.model.init)
    trainer = Trainer(config, model, train, validation, device=device, rank=rank, world=world, cache=cache)
    single = trainer.maker.sampler.single
    if single and config.data.images > 1:
        log.warning(
            "%d identities have one image only, which is repeated %d times in a batch", single, config.data.images
        )
    if resume is not None:
        trainer.resume(resume)
    held = 0 if validation is None else len(validation.identities)
    log.info(
        "%d images of %d identities, %d identities held out; %s with attention %s on %s, %d process(es)",
        *(len(train), len(train.identities), held, config.model.backbone, config.model.attention, device, world),
    )
    return trainer


def decoded(config: TrainConfig, train: Split, world: int) -> tuple[Split, ImageCache]:
    """Decode the training images ahead and leave out those that cannot be."""
    cache = make_cache(config, train, world)
    bad = cache.fill(workers=config.data.workers)
    if not bad:
        return train, cache
    log.warning("%d images cannot be decoded and are left out, the first is %s", len(bad), train.paths[bad[0]])
    left = np.ones(len(train), np.bool_)
    left[bad] = False
    if not left.any():
        raise DatasetError(f"none of the {len(train)} training images can be decoded, the first is {train.paths[0]}")
    return train.take(left), cache.without(bad)


def initialise(model: ReidModel, init: str) -> None:
    """Fill a network: with torchvision's ImageNet weights, from a file, or (only when asked) not at all.

    Args:
        model: the network.
        init: "imagenet", "scratch", a file with ImageNet weights of the backbone
            (`relaytrack.reid.backbones.pretrained.load_imagenet`), weights of the whole network
            (`relaytrack.reid.checkpoint`) to go on from with other people or at another input size, or the ONNX
            file of a retail network to inherit from (`relaytrack.reid.inherit`).

    Raises:
        ReidConfigError: there are no such weights, or they cannot be fetched.
        WeightsError: the file is missing or of another network.
    """
    if init == "scratch":
        return
    if init.endswith(".onnx"):
        inherit(model, init)
        return
    if init != "imagenet" and names_network(read_tensors(init)[1]):
        trained = load_model(init)
        if _at_any_size(trained.spec) != _at_any_size(model.spec):
            raise WeightsError(f"{init} belongs to another network than the configuration's")
        given = resized_state(trained.state_dict(), trained, model)
        if isinstance(model.head, GlobalDepthwiseHead):
            pool = model.head.pool.weight
            given["head.pool.weight"] = resized_pool(given["head.pool.weight"], pool.shape[2], pool.shape[3])
        fresh = {name: tensor for name, tensor in model.state_dict().items() if only_for_training(model.spec, name)}
        load_into(model, {name: t for name, t in given.items() if name not in fresh} | fresh, init)
        return
    load_imagenet(model.backbone, _fetch(model.spec.backbone) if init == "imagenet" else init)


def _at_any_size(spec: ModelSpec) -> ModelSpec:
    """A network's spec without what may differ between input sizes; whether the weights then fit is seen on loading."""
    cha, _, down = spec.attention_ratios
    return dataclasses.replace(spec, height=256, width=128, attention_ratios=(cha, 0, down))


def _fetch(backbone: str) -> Path:
    """Torchvision's ImageNet weights of a backbone, fetched once into torch's cache."""
    name = backbone.removesuffix("_ibn")
    if name not in TORCHVISION:
        raise ReidConfigError(f"model.init: torchvision has no weights of {backbone}: name a file, or say scratch")
    url = f"https://download.pytorch.org/models/{TORCHVISION[name]}"
    path = Path(torch.hub.get_dir()) / "checkpoints" / TORCHVISION[name]
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(path), hash_prefix=path.stem.rsplit("-", 1)[1], progress=False)
        except (OSError, RuntimeError) as error:
            raise ReidConfigError(
                f"model.init: cannot fetch {TORCHVISION[name]} from download.pytorch.org ({error}): "
                "name a file with model.init=FILE, or say scratch"
            ) from error
    return path
