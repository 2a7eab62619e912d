"""The whole configuration as pydantic models: every key has a default, an unknown key is refused.

One YAML file describes a run; `relaytrack.pipeline.config.loading` reads it and applies overrides.
"""

from __future__ import annotations

import dataclasses
import difflib
import ipaddress
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from relaytrack.pipeline.config.renamed import with_new_names
from relaytrack.pipeline.config.urls import plain_address, public_options, quoted, shown_address, shown_key
from relaytrack.pipeline.errors import ConfigError
from relaytrack.reid.paths import plain_path
from relaytrack.trackers import DeepSortParams, GroundPlane, IdentityParams

Point = tuple[float, float]
FileName = Annotated[str, AfterValidator(plain_path)]
DETECTORS = ("nanodet", "onnx", "torchvision", "ultralytics", "file")
TRACKERS = ("deepsort", "classic")
SINKS = ("kafka", "mqtt", "redis", "webhook")
CAMERA_NAME = re.compile(r"[A-Za-z0-9_-]+")
_LIVE_SCHEMES = ("rtsp://", "rtsps://", "webcam:")


class Section(BaseModel):
    """Base of all sections: frozen, unknown keys refused, defaults checked too."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


class CameraConfig(Section):
    """One camera.

    `url` is a video file, a folder of images (MOT layout, `img1/000001.jpg`), `rtsp://...` or `webcam:0`;
    `${NAME}` in it stands for an environment variable and is filled in only when the camera is opened.
    """

    url: Annotated[str, AfterValidator(plain_address)] = Field(min_length=1, repr=False)
    name: str = ""
    roi: tuple[int, int, int, int] | None = Field(
        default=None, description="region of interest: x, y, width, height in pixels of the source's picture"
    )
    max_fps: float | None = Field(default=None, gt=0, description="leave out frames above this rate")
    offset: float = Field(default=0.0, ge=-1e9, le=1e9, description="seconds added to this camera's clock")
    fps: float | None = Field(default=None, ge=1e-6, description="rate of a source that has no clock (images)")
    pixel_aspect: float | None = Field(
        default=None, ge=0.2, le=5, description="a pixel's width over its height; default: what the video says"
    )
    transport: Literal["tcp", "udp"] | None = Field(default=None, description="RTSP; default: input.transport")
    live: bool | None = Field(default=None, description="drop old frames; default: RTSP and webcams yes, files no")
    loop: bool = Field(default=False, description="files: begin anew at the end, for ever; only with live: true")
    detections: FileName | None = Field(default=None, description="MOT det.txt of this camera (detector.backend: file)")
    ground: dict[str, Any] | FileName | None = Field(
        default=None,
        description="the floor: homography, points, or camera_matrix with rotation and translation; "
        "or a YAML file that holds them (relaytrack calibrate)",
    )
    moving: bool = Field(default=False, description="the camera itself turns, zooms or is carried")
    zones: dict[str, tuple[Point, ...]] = Field(
        default={}, description="name -> corners (x, y), in pixels of the source's full picture, for events"
    )
    lines: dict[str, tuple[Point, Point]] = Field(default={}, description="name -> two points (x, y), for events")

    @field_validator("zones")
    @classmethod
    def _zones(cls, value: dict[str, tuple[Point, ...]]) -> dict[str, tuple[Point, ...]]:
        for name, corners in value.items():
            if len(set(corners)) < 3:
                raise ValueError(f"zone {name!r} needs at least three corners")
        return value

    @field_validator("lines")
    @classmethod
    def _lines(cls, value: dict[str, tuple[Point, Point]]) -> dict[str, tuple[Point, Point]]:
        for name, (start, end) in value.items():
            if start == end:
                raise ValueError(f"line {name!r} needs two different points")
        return value

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        if value and not CAMERA_NAME.fullmatch(value):
            raise ValueError(f"{quoted(value)} is no camera name: use letters, digits, '_' and '-' (it names files)")
        return value

    @field_validator("ground")
    @classmethod
    def _ground(cls, value: dict[str, Any] | str | None) -> dict[str, Any] | str | None:
        if isinstance(value, dict):
            GroundPlane.from_mapping(value)
        return value

    @model_validator(mode="after")
    def _stands(self) -> CameraConfig:
        if self.moving and self.ground is not None:
            raise ValueError("moving: a camera that moves has no fixed floor; leave out ground")
        if self.loop and not self.live:
            raise ValueError("loop: only a file that is played as live (live: true) can begin anew")
        return self

    @field_validator("roi")
    @classmethod
    def _roi(cls, value: tuple[int, int, int, int] | None) -> tuple[int, int, int, int] | None:
        if value is not None and (min(value[:2]) < 0 or min(value[2:]) < 2):
            raise ValueError("roi is x, y, width, height with x, y >= 0 and width, height >= 2")
        return value

    @property
    def is_live_url(self) -> bool:
        """Whether the address by itself is a live one (RTSP or a webcam)."""
        return self.url.lower().startswith(_LIVE_SCHEMES)


class InputConfig(Section):
    """How cameras are opened and read."""

    transport: Literal["tcp", "udp"] = "tcp"
    open_timeout: float = Field(default=10.0, gt=0, description="seconds in which every camera must open")
    read_timeout: float = Field(default=10.0, gt=0, description="seconds without a frame that end a connection")
    on_start_failure: Literal["fail", "retry"] = "fail"
    reconnect_initial: float = Field(default=0.5, gt=0, description="seconds before the first new try")
    reconnect_max: float = Field(default=30.0, gt=0, description="seconds between tries at the most")
    queue: int = Field(default=8, ge=1, le=1024, description="decoded frames that wait per camera at the most")
    threads: int = Field(default=1, ge=1, le=64, description="decoder threads per camera")
    longest_gap: float = Field(
        default=3600.0,
        gt=0,
        description="files: a jump of the clock by more seconds is no pause but a fault, and is closed",
    )


class BatchConfig(Section):
    """How the cameras' frames are put together for the networks."""

    window: float | None = Field(
        default=None,
        gt=0,
        description="seconds that frames of one batch may lie apart; default: from the rates",
    )
    max_wait: float = Field(default=0.1, ge=0, description="seconds a live batch waits for a late camera")


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
        return _known_name("backend", value, DETECTORS, "relaytrack.detectors")


class EmbedderConfig(Section):
    """The re-identification network."""

    name: str = Field(default="reid", description="reid, or an installed package's embedder")
    options: dict[str, Any] = Field(default={}, description="settings of another package's embedder")
    weights: FileName | None = Field(default=None, description="safetensors, .onnx or the name of installed weights")
    batch_size: int = Field(default=16, ge=1, le=4096)
    flip: bool = Field(default=False, description="average with the mirrored crop")
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
        return _known_name("name", value, ("reid",), "relaytrack.embedders")


class SinkConfig(Section):
    """A receiver of results: `mqtt`, `webhook`, `redis` or `kafka` for events, or one that another package brings."""

    name: str = Field(min_length=1)
    options: dict[str, Any] = Field(default={}, repr=False, description="its settings")
    when_full: Literal["block", "drop_oldest"] | None = Field(
        default=None, description="while its queue is full; default: recordings wait, live cameras drop"
    )
    on_error: Literal["fail", "disable", "retry"] | None = Field(
        default=None, description="when it fails; default: as it declares, else disable"
    )

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        return _known_name("name", value, SINKS, "relaytrack.sinks")


class OutputConfig(Section):
    """What is written and how."""

    dir: FileName | None = Field(default="out/run", description="folder for the results; null leaves none")
    overwrite: bool = False
    resume: bool = Field(default=False, description="a live run goes on in the folder of an earlier start")
    video: bool = True
    mosaic: bool = True
    trail: float = Field(default=2.0, ge=0, description="seconds of path drawn behind a person")
    zones: bool = Field(default=True, description="draw the zones and lines of the cameras")
    crf: int = Field(default=26, ge=0, le=51, description="H.264 quality, lower is better")
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium"] = "ultrafast"
    mosaic_width: int = Field(default=1280, ge=64, le=7680)
    segment_minutes: float = Field(default=10.0, gt=0, description="length of the files of a live run")
    disk_limit_gb: float = Field(default=20.0, gt=0, description="oldest segments of a live run go beyond it")
    store: FileName | None = Field(default=None, description="SQLite file in which identities outlive the run")
    crops: bool = Field(default=True, description="a few pictures of each person")
    retain_hours: float | None = Field(
        default=72.0, gt=0, description="pictures and embeddings of a live run go after that; null keeps them"
    )
    anonymise: Literal["heads", "persons"] | None = Field(default=None, description="hide people in every picture")
    report: bool = Field(default=True, description="report.html, a page to look at")
    on_error: Literal["fail", "disable"] = Field(
        default="fail", description="a result that cannot be written ends the run, or is left out while the run goes on"
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> OutputConfig:
        if self.resume and self.overwrite:
            raise ValueError("resume and overwrite exclude each other")
        return self

    @property
    def folder(self) -> Path:
        """`dir` as a path.

        Raises:
            ConfigError: the run leaves no files.
        """
        if self.dir is None:
            raise ConfigError("output.dir is null: this run leaves no files")
        return Path(self.dir)


class EventsConfig(Section):
    """What events.jsonl tells; zones and lines belong to the cameras."""

    enabled: bool = True
    leave_after: float = Field(default=2.0, gt=0, description="seconds unseen after which a person has left")
    settle: float = Field(default=0.5, ge=0, description="seconds in or out of a zone before it counts")
    dwell: float = Field(default=10.0, gt=0, description="seconds in a zone that make a dwell event")


class ServerConfig(Section):
    """`relaytrack serve`: where the page is, where it keeps what it knows, and who may do what."""

    host: str = Field(default="127.0.0.1", description="address to listen on; others than 127.0.0.1 need a user")
    port: int = Field(default=8600, ge=0, le=65535, description="0 takes any free one")
    name: str = Field(default="RelayTrack", min_length=1, max_length=60, description="what the page calls the site")
    dir: str = Field(default="out/site", description="folder of accounts, people, events and the audit log")
    hosts: tuple[str, ...] = Field(default=(), description="further names under which browsers may ask for the page")
    schemes: tuple[str, ...] = Field(
        default=("rtsp", "rtsps", "webcam"), description="kinds of camera addresses that can be added in the page"
    )
    networks: tuple[str, ...] | None = Field(
        default=None, description="networks (10.0.0.0/8) that added cameras must be in; default: any"
    )
    session_hours: float = Field(default=12.0, gt=0, le=8760, description="a log-in holds that long")
    upload_mb: float = Field(default=8.0, gt=0, le=100, description="size of an uploaded picture at the most")
    retain_days: float | None = Field(default=30.0, gt=0, description="events and people are kept; null: for ever")
    tls_cert: str | None = Field(default=None, description="PEM file of the certificate chain, for https")
    tls_key: str | None = Field(default=None, description="PEM file of its private key")
    trusted_proxies: tuple[str, ...] = Field(
        default=(), description="addresses of reverse proxies whose X-Forwarded-* headers count"
    )

    @field_validator("networks")
    @classmethod
    def _networks(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for network in value or ():
            ipaddress.ip_network(network)
        return value

    @model_validator(mode="after")
    def _both(self) -> ServerConfig:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key belong together")
        return self


class RunConfig(Section):
    """The run as a whole."""

    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:[0-9]+)?)$")
    live: bool | None = Field(default=None, description="treat every source as live, or none; default: by source")
    fps: float | None = Field(default=None, gt=0, description="upper frame rate of every camera without its own")
    max_seconds: float | None = Field(default=None, gt=0, description="end after that much of the run's clock")
    threads: int | None = Field(default=None, ge=1, le=256, description="CPU threads of the networks; default: all")
    lanes: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description="moments that the networks work on side by side; default: recordings on the CPU one per thread",
    )


def unknown_key(shown: str, key: str, known: Sequence[str]) -> str:
    """Say that a key is unknown, with the nearest valid one if there is one."""
    near = difflib.get_close_matches(key, known, 1, 0.5)
    return f"unknown key {shown_key(shown)!r}" + (f", did you mean {near[0]!r}?" if near else "")


def unknown_name(what: str, name: str, known: Sequence[str]) -> str:
    """Say that a part is unknown, with the nearest known one, or with all."""
    near = difflib.get_close_matches(name, known, 1, 0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}" if known else "none is installed"
    return f"{what} {name!r}; {hint}"


def _known_name(key: str, name: str, ours: Sequence[str], group: str) -> str:
    """Refuse a name that is neither one of ours nor an installed package's."""
    if name in ours:
        return name
    installed = sorted(entry_points(group=group).names)
    if name not in installed:
        kind = group.removeprefix("relaytrack.").removesuffix("s")
        raise ValueError(unknown_name(f"no {kind} is called", name, [*ours, *installed]))
    return name


@dataclasses.dataclass(frozen=True)
class TrackerSettings(DeepSortParams):
    """The settings of `DeepSort`, and which tracker it is.

    Attributes:
        name: "deepsort"; "classic", the same with the paper's settings as defaults; or an installed package's tracker.
        options: settings of another package's tracker.
    """

    name: str = "deepsort"
    options: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def is_ours(self) -> bool:
        """Whether it is `DeepSort`."""
        return self.name in TRACKERS


def _tracker(value: object) -> object:
    """Give a tracker's defaults by its name."""
    if not isinstance(value, Mapping):
        return value
    name = value.get("name", "deepsort")
    if not isinstance(name, str):
        raise ValueError("name: not a name")
    if name == "classic":
        return {**dataclasses.asdict(DeepSortParams.classic()), **value}
    _known_name("name", name, TRACKERS, "relaytrack.trackers")
    return value


def _strictly(record: type[Any]) -> BeforeValidator:
    """Refuse unknown keys of a section that is a plain dataclass of `trackers`."""
    known = [field.name for field in dataclasses.fields(record)]

    def check(value: object) -> object:
        for key in value if isinstance(value, dict) else ():
            if key not in known:
                raise ValueError(unknown_key(str(key), str(key), known))
        return value

    return BeforeValidator(check)


def as_camera(value: object) -> object:
    """Let a camera be written as its url alone."""
    return {"url": value} if isinstance(value, str) else value


class Config(Section):
    """A whole run."""

    cameras: tuple[Annotated[CameraConfig, BeforeValidator(as_camera)], ...] = ()
    input: InputConfig = InputConfig()
    batch: BatchConfig = BatchConfig()
    detector: DetectorConfig = DetectorConfig()
    embedder: EmbedderConfig = EmbedderConfig()
    tracker: Annotated[TrackerSettings, BeforeValidator(_tracker), _strictly(TrackerSettings)] = TrackerSettings()
    identities: Annotated[IdentityParams, _strictly(IdentityParams)] = IdentityParams()
    output: OutputConfig = OutputConfig()
    sinks: tuple[SinkConfig, ...] = Field(
        default=(), description="further receivers: events to other programs, and what other packages bring"
    )
    events: EventsConfig = EventsConfig()
    run: RunConfig = RunConfig()
    server: ServerConfig = ServerConfig()

    @model_validator(mode="before")
    @classmethod
    def _new_names(cls, value: object) -> object:
        return with_new_names(value) if isinstance(value, Mapping) else value

    @model_validator(mode="after")
    def _name_cameras(self) -> Config:
        """Give every camera a unique name: its own, else the file's stem, else cam1, cam2, ..."""
        taken = [camera.name for camera in self.cameras if camera.name]
        for name in taken:
            if taken.count(name) > 1:
                raise ValueError(f"two cameras are named {name!r}")
        named: list[CameraConfig] = []
        live = 0
        for camera in self.cameras:
            live += not _stem(camera.url)
            name = camera.name or default_name(camera, live, taken)
            taken.append(name)
            named.append(camera.model_copy(update={"name": name}))
        object.__setattr__(self, "cameras", tuple(named))
        return self

    def public(self) -> dict[str, Any]:
        """Return the resolved configuration as plain data, without any password."""
        data: dict[str, Any] = self.model_dump(mode="json")
        for camera in data["cameras"]:
            camera["url"] = shown_address(camera["url"])
        for part in (data["detector"], data["embedder"], data["tracker"], *data["sinks"]):
            part["options"] = public_options(part["options"])
        return data


_LONGEST_NAME = 60  # letters of a name that RelayTrack gives; it names files


def _is_plain_file(address: str) -> bool:
    """Whether an address is a file whose name may be shown (it becomes the camera's)."""
    scheme = address.lower().partition(":")[0]
    return scheme in ("file", address.lower()) and shown_address(address) == address


def _stem(address: str) -> str:
    """What of a file's name can name a camera; nothing for other addresses and for names in other scripts."""
    if not _is_plain_file(address):
        return ""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", Path(address).stem).strip("_")[:_LONGEST_NAME]


def default_name(camera: CameraConfig, number: int, taken: Sequence[str]) -> str:
    """A name for a camera that has none: its file's stem, else `cam` and its number; unlike those `taken`."""
    name = _stem(camera.url) or f"cam{number}"
    if name not in taken:
        return name
    return next(f"{name}_{n}" for n in range(2, len(taken) + 3) if f"{name}_{n}" not in taken)
