"""Parts of other packages, found by name: detectors, trackers, sinks and embedders.

A package offers a part as an entry point of the group `relaytrack.detectors`, `relaytrack.trackers`,
`relaytrack.sinks` or `relaytrack.embedders`; the entry point's name is what a configuration calls it. It leads to a
`Plugin`: a pydantic model of the part's settings, and a function that makes the part from them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from relaytrack.pipeline.config.schema import CameraConfig, unknown_name
from relaytrack.pipeline.config.urls import one_line, shown_key
from relaytrack.pipeline.errors import ConfigError, RelayTrackError
from relaytrack.pipeline.part_checks import DETECTOR, SINK, TRACKER, check_embedder, check_part
from relaytrack.reid.settings import unknown_key
from relaytrack.reid.wording import plain_words

if TYPE_CHECKING:  # they bring the networks' libraries
    from relaytrack.pipeline.perception.detectors.base import Detector
    from relaytrack.pipeline.perception.stage import CropEmbedder
    from relaytrack.pipeline.sinks.base import Sink
    from relaytrack.pipeline.tracking.tracker import Tracker

Part = TypeVar("Part")
_OURS = {
    "sinks": {
        "kafka": "relaytrack.pipeline.sinks.outgoing.kafka:PLUGIN",
        "mqtt": "relaytrack.pipeline.sinks.outgoing.mqtt:PLUGIN",
        "redis": "relaytrack.pipeline.sinks.outgoing.redis_stream:PLUGIN",
        "webhook": "relaytrack.pipeline.sinks.outgoing.webhook:PLUGIN",
    }
}
"""Parts of this package that are found the same way, so that their libraries are loaded only where they are used."""
Kind = Literal["detectors", "trackers", "sinks", "embedders"]


@dataclass(frozen=True, slots=True)
class Plugin(Generic[Part]):
    """One part of another package.

    Attributes:
        settings: the model of its options; `extra="forbid"` catches misspelt ones.
        create: makes the part. It is called with the settings and, by name, with what its kind is given:
            detectors and embedders `device` ("cpu", "cuda", "cuda:i"); trackers `camera` (its `CameraConfig`), once
            per camera; sinks `folder` (the run's folder, None where the run leaves none).
    """

    settings: type[BaseModel]
    create: Callable[..., Part]


def create_detector(name: str, options: Mapping[str, Any], *, device: str) -> Detector:
    """Make another package's detector.

    Raises:
        ConfigError: there is none of that name, its package is broken, an option is wrong, or what it makes lacks
            something.
    """
    part: Detector = _create(_plugin("detectors", name), "detector", name, options, device=device)
    check_part(f"detector {name!r}", part, DETECTOR)
    return part


def create_embedder(name: str, options: Mapping[str, Any], *, device: str) -> CropEmbedder:
    """Make another package's embedder; errors as of `create_detector`."""
    part: CropEmbedder = _create(_plugin("embedders", name), "embedder", name, options, device=device)
    check_embedder(f"embedder {name!r}", part)
    return part


def create_tracker(name: str, options: Mapping[str, Any], *, camera: CameraConfig) -> Tracker:
    """Make another package's tracker for a camera; errors as of `create_detector`."""
    part: Tracker = _create(_plugin("trackers", name), "tracker", name, options, camera=camera)
    check_part(f"tracker {name!r}", part, TRACKER)
    return part


def create_sink(name: str, options: Mapping[str, Any], *, folder: Any) -> Sink:
    """Make another package's sink; errors as of `create_detector`."""
    part: Sink = _create(_plugin("sinks", name), "sink", name, options, folder=folder)
    check_part(f"sink {name!r}", part, SINK)
    return part


def check(kind: Kind, where: str, name: str, options: Mapping[str, Any]) -> None:
    """Refuse a part that is not there, or options that are wrong, before anything costly begins.

    Raises:
        ConfigError: as of `create_detector`.
    """
    _settings(_plugin(kind, name), where, name, options)


@cache
def _points(kind: Kind) -> Mapping[str, EntryPoint]:
    group = f"relaytrack.{kind}"
    ours = [EntryPoint(name, value, group) for name, value in _OURS.get(kind, {}).items()]
    return {point.name: point for point in (*entry_points(group=group), *ours)}


def _plugin(kind: Kind, name: str) -> Plugin[Any]:
    points = _points(kind)
    if name not in points:
        raise ConfigError(unknown_name(f"no {kind.removesuffix('s')} is called", name, list(points)))
    try:
        found = points[name].load()
    except (Exception, SystemExit) as error:
        raise ConfigError(f"{kind.removesuffix('s')} {name!r}: its package is broken: {_line(error)}") from None
    if not isinstance(found, Plugin):
        raise ConfigError(f"{kind.removesuffix('s')} {name!r}: {points[name].value} is no relaytrack Plugin")
    return found


def _settings(plugin: Plugin[Any], where: str, name: str, options: Mapping[str, Any]) -> BaseModel:
    try:
        return plugin.settings.model_validate(dict(options))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or "options"
        if first["type"] == "extra_forbidden":
            told = unknown_key(shown_key(key), key, list(plugin.settings.model_fields))
            raise ConfigError(f"{where} {name!r}: {told}") from None
        raise ConfigError(f"{where} {name!r}: {key}: {plain_words(first)}") from None
    except Exception as error:
        raise ConfigError(f"{where} {name!r}: its settings cannot be read: {_line(error)}") from None


def _create(plugin: Plugin[Any], where: str, name: str, options: Mapping[str, Any], **context: Any) -> Any:
    settings = _settings(plugin, where, name, options)
    try:
        return plugin.create(settings, **context)
    except RelayTrackError:
        raise
    except (Exception, SystemExit) as error:
        raise ConfigError(f"{where} {name!r}: cannot be made: {_line(error)}") from None


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {one_line(error)}"
