"""The whole configuration as pydantic models: every key has a default, an unknown key is refused.

One YAML file describes a run; `relaytrack.pipeline.config.loading` reads it and applies overrides. The larger sections
have modules of their own beside this one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from relaytrack.pipeline.config.camera import CAMERA_NAME, CameraConfig, as_camera, default_name, file_stem, joining
from relaytrack.pipeline.config.cluster import ClusterConfig
from relaytrack.pipeline.config.names import DETECTORS, SINKS, TRACKERS, unknown_name
from relaytrack.pipeline.config.networks import DetectorConfig, EmbedderConfig, SyncConfig
from relaytrack.pipeline.config.output import EventsConfig, OutputConfig, SinkConfig
from relaytrack.pipeline.config.renamed import with_new_names
from relaytrack.pipeline.config.section import Device, FileName, Network, Point, Section
from relaytrack.pipeline.config.server import ServerConfig
from relaytrack.pipeline.config.tracking import IdentitiesSection, TrackerSection, TrackerSettings
from relaytrack.pipeline.config.urls import public_options, shown_address
from relaytrack.trackers import IdentityParams

__all__ = [
    "CAMERA_NAME",
    "DETECTORS",
    "SINKS",
    "TRACKERS",
    "CameraConfig",
    "ClusterConfig",
    "Config",
    "DetectorConfig",
    "EmbedderConfig",
    "EventsConfig",
    "FileName",
    "InputConfig",
    "OutputConfig",
    "Point",
    "RunConfig",
    "Section",
    "ServerConfig",
    "SinkConfig",
    "TrackerSettings",
    "as_camera",
    "joining",
    "unknown_name",
]


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
    networks: tuple[Network, ...] | None = Field(
        default=None,
        description="networks (10.0.0.0/8) that confined cameras must be in; default: any, with serve server.networks",
    )


class RunConfig(Section):
    """The run as a whole."""

    device: Device = Field(default="auto")
    live: bool | None = Field(default=None, description="treat every source as live, or none; default: by source")
    fps: float | None = Field(default=None, gt=0, description="upper frame rate of every camera without its own")
    adapt: bool = Field(
        default=True,
        description="live cameras: with too little time look at every second frame, then at smaller pictures, then "
        "describe looks half as often; off only drops frames",
    )
    max_seconds: float | None = Field(default=None, gt=0, description="end after that much of the run's clock")
    threads: int | None = Field(default=None, ge=1, le=256, description="CPU threads of the networks; default: all")
    inference_streams: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description="sets of frames in the networks at once; default: one, recordings on the CPU one per thread",
    )


class Config(Section):
    """A whole run."""

    cameras: tuple[Annotated[CameraConfig, BeforeValidator(as_camera)], ...] = ()
    input: InputConfig = InputConfig()
    sync: SyncConfig = SyncConfig()
    detector: DetectorConfig = DetectorConfig()
    embedder: EmbedderConfig = EmbedderConfig()
    tracker: TrackerSection = TrackerSettings()
    identities: IdentitiesSection = IdentityParams()
    output: OutputConfig = OutputConfig()
    sinks: tuple[SinkConfig, ...] = Field(
        default=(), description="further receivers: events to other programs, and what other packages bring"
    )
    events: EventsConfig = EventsConfig()
    run: RunConfig = RunConfig()
    server: ServerConfig = ServerConfig()
    cluster: ClusterConfig = ClusterConfig()

    @model_validator(mode="before")
    @classmethod
    def _new_names(cls, value: object) -> object:
        return with_new_names(value) if isinstance(value, Mapping) else value

    @model_validator(mode="after")
    def _name_cameras(self) -> Config:
        """Give every camera a unique name: its own, else the file's stem, else cam1, cam2, ..."""
        taken = [camera.name for camera in self.cameras if camera.name]
        first: dict[str, str] = {}
        for name in taken:
            other = first.setdefault(name.lower(), name)
            if taken.count(name) > 1:
                raise ValueError(f"two cameras are named {name!r}")
            if other != name:
                raise ValueError(
                    f"two cameras are named {other!r} and {name!r}: many disks make no difference between capitals and "
                    "small letters, and names are file names"
                )
        named: list[CameraConfig] = []
        live = 0
        for camera in self.cameras:
            live += not file_stem(camera.url)
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
