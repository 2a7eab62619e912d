"""RelayTrack: many cameras in; annotated videos, tracks and one identity per person out.

from relaytrack.pipeline import Pipeline, load_config

summary = Pipeline(load_config("cameras.yaml")).run()
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from relaytrack.pipeline.config.loading import load_config
    from relaytrack.pipeline.config.schema import Config
    from relaytrack.pipeline.engine import Pipeline
    from relaytrack.pipeline.records import Detections, Frame, FrameTracks

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


_HOMES = {
    "Config": "relaytrack.pipeline.config.schema",
    "Detections": "relaytrack.pipeline.records",
    "Frame": "relaytrack.pipeline.records",
    "FrameTracks": "relaytrack.pipeline.records",
    "Pipeline": "relaytrack.pipeline.engine",
    "load_config": "relaytrack.pipeline.config.loading",
}


def __getattr__(name: str) -> Any:
    """Load what is asked for, and with it only the libraries that it needs."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(_HOMES[name]), name)
    globals()[name] = found
    return found
