"""The configuration of a training run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from relaytrack.reid.paths import plain_path
from relaytrack.reid.wording import device_text


def _expanded(value: object) -> object:
    """A path with `~` or `file://` as a plain one."""
    return plain_path(value) if isinstance(value, str) else value


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceConfig(_Section):
    """One data set: its name (`relaytrack.reid.datasets.factory.NAMES`) and where it is."""

    name: str = "market1501"
    root: Annotated[Path, BeforeValidator(_expanded)] = Path("data")


class DataConfig(_Section):
    """What is learned from, and how batches are made.

    `validation` keeps identities out of training to watch the run and calibrate the threshold on: "fixed" is the
    list of `relaytrack.reid.datasets.validation_ids` where there is one for the data set and every seventh identity
    elsewhere, "none" trains on all.
    """

    sources: list[SourceConfig] = Field(default_factory=lambda: [SourceConfig()], min_length=1)
    validation: Literal["fixed", "none"] = "fixed"
    identities: int = Field(default=16, ge=2)
    images: int = Field(default=4, ge=1)
    cache_mib: float = Field(default=4096, ge=0)
    workers: int = Field(default=1, ge=1, le=64)


class AugmentConfig(_Section):
    """See `relaytrack.reid.datasets.augment.Augment`."""

    flip: float = Field(default=0.5, ge=0, le=1)
    shift: float = Field(default=0.04, ge=0, le=0.5)
    scale: float = Field(default=0.0, ge=0, lt=1)
    erase: float = Field(default=0.5, ge=0, le=1)
    jitter: float = Field(default=0.0, ge=0, le=2)
    grey: float = Field(default=0.0, ge=0, le=1)
    downscale: float = Field(default=0.0, ge=0, le=1)
    blur: float = Field(default=0.0, ge=0, le=1)
    mixstyle: float = Field(default=0.0, ge=0, le=1)


class ModelConfig(_Section):
    """The network (see `relaytrack.reid.model.ModelSpec`) and what its backbone starts from.

    `init`: "imagenet" takes torchvision's weights over the network, "scratch" random ones; anything else is a file
    with ImageNet weights of the backbone, weights of the same network to go on from, or (for the osnet_in backbones)
    the ONNX file of a person-reidentification-retail network, whose tensors are inherited.
    """

    backbone: str = "mobilenet_v2"
    attention: str = "none"
    attention_stages: tuple[int, ...] = (1, 2, 3, 4)
    attention_ratios: tuple[int, int, int] = (8, 8, 8)
    height: int = Field(default=256, ge=32)
    width: int = Field(default=128, ge=32)
    last_stride: Literal[1, 2] = 1
    embedding_dim: int | None = None
    pooling: Literal["gap", "gem"] = "gap"
    neck: bool = True
    feature: Literal["pre", "post", "relu"] = "post"
    head: Literal["bnneck", "depthwise", "stripes"] = "bnneck"
    parts: int = Field(default=1, ge=1)
    init: Annotated[str, BeforeValidator(_expanded)] = "imagenet"


class LossConfig(_Section):
    """Weights of the losses (0 leaves one out) and their constants; `margin: null` is the soft triplet loss."""

    cross_entropy: float = Field(default=1.0, ge=0)
    smoothing: float = Field(default=0.1, ge=0, lt=1)
    triplet: float = Field(default=1.0, ge=0)
    margin: float | None = 0.3
    circle: float = Field(default=0.0, ge=0)
    centre: float = Field(default=0.0, ge=0)
    centre_lr: float = Field(default=0.5, gt=0)


class DistilConfig(_Section):
    """Learning from teachers (`relaytrack.reid.training.teaching`); no teachers, no distillation.

    `teachers` are weights or ONNX files, or names of installed weights. `regression` and `relational` weigh the two
    terms, `temperature` is that of the second. With `loss.cross_entropy: 0` and `loss.triplet: 0` no identities are
    needed (data set `crops`).
    """

    teachers: tuple[Annotated[str, BeforeValidator(_expanded)], ...] = ()
    regression: float = Field(default=1.0, ge=0)
    relational: float = Field(default=1.0, ge=0)
    temperature: float = Field(default=0.07, gt=0, le=1)


class OptimConfig(_Section):
    """Optimiser and learning-rate schedule; `warmup` and `milestones` are parts of the run, 0..1.

    `backbone_factor` times `lr` is the rate of the backbone (pre-trained, as a rule); attention and head have `lr`.
    """

    name: Literal["adamw", "adam", "sgd"] = "adamw"
    lr: float = Field(default=3.5e-4, gt=0)
    backbone_factor: float = Field(default=1.0, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    clip: float | None = Field(default=None, gt=0)
    schedule: Literal["cosine", "step"] = "cosine"
    warmup: float = Field(default=0.05, ge=0, lt=1)
    warmup_factor: float = Field(default=0.01, ge=0, le=1)
    milestones: tuple[float, ...] = ()
    gamma: float = Field(default=0.5, gt=0, le=1)
    floor: float = Field(default=0.0, ge=0, le=1)


class LowResolution(_Section):
    """An early part of the run on smaller images and without the attention (which knows its size)."""

    until: float = Field(gt=0, lt=1)
    height: int = Field(ge=32)
    width: int = Field(ge=32)


class TrainingRunConfig(_Section):
    """How long, how precise, how often saved.

    `max_minutes` ends the run, and its learning-rate schedule, by the clock where that comes before `iterations`
    (such a run cannot be repeated exactly). `freeze_stages` keeps the backbone's first stages as they are once the
    images have their full size (from the start where there is no `low_resolution`). `sync_norm` takes batch-norm
    statistics over all processes' images in training; before the network is validated or stored they are measured
    anew on `norm_batches` batches of plain images: `norm_scope: all` of them, or only those of the neck.
    """

    out: Annotated[Path, BeforeValidator(_expanded)] = Path("out/reid")
    iterations: int = Field(default=10_000, ge=1)
    max_minutes: float | None = Field(default=None, gt=0)
    low_resolution: list[LowResolution] = Field(default_factory=list)
    freeze_stages: int = Field(default=0, ge=0)
    accumulate: int = Field(default=1, ge=1)
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    channels_last: bool = True
    device: Annotated[str, BeforeValidator(device_text)] = "auto"
    threads: int | None = Field(default=None, ge=1)
    seed: int = Field(default=0, ge=0)
    ema: float | None = Field(default=0.999, gt=0, lt=1)
    freeze_norm: bool = False
    sync_norm: bool = True
    norm_batches: int = Field(default=25, ge=1)
    norm_scope: Literal["all", "neck"] = "all"
    log_every: int = Field(default=20, ge=1)
    save_every: int = Field(default=200, ge=1)
    validate_every: int = Field(default=1000, ge=1)


class TrainConfig(_Section):
    """A whole training run."""

    data: DataConfig = DataConfig()
    augment: AugmentConfig = AugmentConfig()
    model: ModelConfig = ModelConfig()
    loss: LossConfig = LossConfig()
    distil: DistilConfig = DistilConfig()
    optim: OptimConfig = OptimConfig()
    run: TrainingRunConfig = TrainingRunConfig()

    @model_validator(mode="after")
    def _batches_divide(self) -> Self:
        if self.data.identities % self.run.accumulate:
            raise ValueError("data.identities must be a multiple of run.accumulate")
        return self

    @model_validator(mode="after")
    def _something_is_learned(self) -> Self:
        loss, distil = self.loss, self.distil
        by_identity = loss.cross_entropy or loss.triplet or loss.circle or loss.centre
        if not by_identity and not (distil.teachers and (distil.regression or distil.relational)):
            raise ValueError("all losses have the weight 0: nothing would be learned")
        if (loss.triplet or loss.circle) and self.data.images < 2:
            raise ValueError("data.images must be at least 2 for the triplet and circle losses")
        crops = next((source.root for source in self.data.sources if source.name == "crops"), None)
        if by_identity and crops is not None:
            raise ValueError(
                f"the crops in {crops} have no identities: set loss.cross_entropy, loss.triplet, loss.circle and "
                "loss.centre to 0 and name distil.teachers"
            )
        return self

    def dump(self) -> dict[str, Any]:
        """Plain values, for YAML and JSON."""
        return self.model_dump(mode="json")
