"""RelayTrack: many cameras in; annotated videos, tracks and one identity per person out.

from relaytrack.pipeline import Pipeline, load_config

summary = Pipeline(load_config("cameras.yaml")).run()
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from relaytrack.pipeline.config.loading import load_config
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.errors import (
    ConfigError,
    DetectorError,
    DeviceError,
    InputError,
    OutputError,
    RelayTrackError,
    SinkError,
    SourceError,
)
from relaytrack.pipeline.records import Detections, Frame, FrameTracks

if TYPE_CHECKING:
    from relaytrack.pipeline.engine import Pipeline

__all__ = [
    "Config",
    "ConfigError",
    "Detections",
    "DetectorError",
    "DeviceError",
    "Frame",
    "FrameTracks",
    "InputError",
    "OutputError",
    "Pipeline",
    "RelayTrackError",
    "SinkError",
    "SourceError",
    "load_config",
]


def __getattr__(name: str) -> Any:
    """Load the engine, and with it the networks' libraries, only when it is used."""
    if name == "Pipeline":
        from relaytrack.pipeline.engine import Pipeline

        return Pipeline
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
