"""The settings of what the networks do: how frames are put together, the detector and the embedder."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from relaytrack.pipeline.config.names import DETECTORS, known_name
from relaytrack.pipeline.config.section import FileName, Section
from relaytrack.reid.installed import Precision


class SyncConfig(Section):
    """How the frames of several cameras are put together by time."""

    window: float | None = Field(
        default=None,
        gt=0,
        description="seconds that the frames of one set may lie apart; default: from the rates",
    )
    max_wait: float = Field(default=0.1, ge=0, description="seconds that live frames wait for a camera that is late")


class DetectorConfig(Section):
    """The person detector."""

    backend: str = Field(
        default="nanodet", description="nanodet, onnx, torchvision, ultralytics, file, or an installed package's"
    )
    options: dict[str, Any] = Field(default={}, description="settings of another package's detector")
    weights: FileName | None = Field(default=None, description="a model file or, for ultralytics, a name")
    model: str | None = Field(
        default=None, description="torchvision's name of the network; default: fasterrcnn_mobilenet_v3_large_fpn"
    )
    score_threshold: float = Field(default=0.2, ge=0, le=1, description="boxes below it never leave the detector")
    iou_threshold: float = Field(default=0.6, gt=0, le=1, description="non-maximum suppression")
    image_size: Annotated[
        Annotated[int, Field(ge=32, le=4096)] | Literal["auto"],
        BeforeValidator(lambda value: "auto" if value is None else value),
    ] = Field(
        default="auto", description="longer side of the network's input, pixels; auto: by each camera's resolution"
    )
    tiles: int = Field(default=1, ge=1, le=8, description="n: look at n x n overlapping tiles besides the whole")
    max_people: int = Field(default=300, ge=1, description="boxes kept per frame at the most, best first")
    allow_download: bool = Field(default=False, description="let a backend fetch a published model")
    precision: Precision = Field(
        default="auto", description="nanodet: fp32, int8 (quicker on CPUs with VNNI), or auto: int8 where it is quicker"
    )
    letterbox: Literal["corner", "centre", "stretch"] | None = Field(
        default=None, description="onnx: how a picture lies in the input; default: by the outputs' family"
    )
    normalise: Literal["raw", "unit", "imagenet"] | None = Field(
        default=None, description="onnx: 0..255, 0..1 or ImageNet's mean and deviation; default: by the family"
    )
    channels: Literal["rgb", "bgr"] | None = Field(default=None, description="onnx; default: by the family")
    person_class: int | None = Field(
        default=None, ge=0, description="onnx, torchvision: number of the class person; default: by the family"
    )

    @field_validator("backend")
    @classmethod
    def _backend(cls, value: str) -> str:
        return known_name("backend", value, DETECTORS, "relaytrack.detectors")


class EmbedderConfig(Section):
    """The re-identification network."""

    name: str = Field(default="reid", description="reid, or an installed package's embedder")
    options: dict[str, Any] = Field(default={}, description="settings of another package's embedder")
    weights: FileName | None = Field(default=None, description="safetensors, .onnx or the name of installed weights")
    precision: Precision = Field(
        default="auto",
        description="fp32, int8 (the weights' 8-bit form), or auto: int8 on CPUs that are quicker with it",
    )
    batch_size: int = Field(default=16, ge=1, le=4096)
    flip: bool = Field(default=False, description="average with the mirrored crop")
    interval: float = Field(
        default=0.5,
        ge=0,
        le=3600,
        description="seconds between two embeddings of somebody in the open who is followed anyway; 0: every frame",
    )
    min_height: int = Field(default=16, ge=1, description="smaller boxes (pixels) get no embedding")
    min_score: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="boxes below it get no embedding; default: those that the tracker does not compare by looks",
    )

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        return known_name("name", value, ("reid",), "relaytrack.embedders")
