"""Parts of a run that a program brings itself, instead of those that the configuration names."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from relaytrack.pipeline.clock import RunClock
from relaytrack.pipeline.config.loading import camera_settings
from relaytrack.pipeline.config.schema import CameraConfig, Config
from relaytrack.pipeline.errors import ConfigError
from relaytrack.pipeline.events.known_tracks import EarlierTrack
from relaytrack.pipeline.identity.corrections import Corrections
from relaytrack.pipeline.identity.interface import IdentityService
from relaytrack.pipeline.part_checks import DETECTOR, SERVICE, SINK, SOURCE, check_embedder, check_part
from relaytrack.pipeline.perception.detectors.base import Detector
from relaytrack.pipeline.perception.stage import CropEmbedder, Perception
from relaytrack.pipeline.sinks.base import OnError, Sink, WhenFull
from relaytrack.pipeline.sources import is_live
from relaytrack.pipeline.sources.base import Source, SourceStats
from relaytrack.pipeline.tracking.tracker import Tracker
from relaytrack.trackers import DeepSort

TrackerFactory = Callable[[CameraConfig], Tracker]
"""Makes a fresh tracker for a camera."""
Until = Literal["sources_end", "stopped"]
"""When a run ends by itself: with its last source, or never before `stop()`."""

_FACTORY = "a function that makes the tracker of a camera is wanted, such as `lambda camera: DeepSort()`"
LOG = logging.getLogger("relaytrack.engine")
_OF_OUR_SOURCES = ("roi", "max_fps", "offset", "fps", "pixel_aspect", "transport", "loop")


@dataclass(slots=True)
class OwnParts:
    """What the program brings; None is built from the configuration.

    Attributes:
        sources: by camera name.
        detector, embedder, tracker, identities, clock: as in `Pipeline`.
        sinks: further receivers.
        on_networks: told of the networks once they are loaded.
        corrections: stands around the identity service, for people corrected by hand.
        earlier: tracks of earlier starts, with which events compare new ones.
    """

    sources: Mapping[str, Source] = field(default_factory=dict)
    detector: Detector | None = None
    embedder: CropEmbedder | None = None
    tracker: TrackerFactory | None = None
    identities: IdentityService | None = None
    clock: RunClock | None = None
    sinks: Sequence[Sink] = ()
    on_networks: Callable[[Perception], object] | None = None
    corrections: Corrections = field(default_factory=Corrections)
    earlier: Sequence[EarlierTrack] = ()

    def is_live(self, camera: CameraConfig, config: Config) -> bool:
        """Whether a camera of the configuration is live."""
        own = self.sources.get(camera.name)
        return is_live(camera, config.run) if own is None else own.live


def check_parts(
    sources: Sequence[Source],
    sinks: Sequence[Sink],
    *,
    detector: Detector | None,
    embedder: CropEmbedder | None,
    tracker: TrackerFactory | None,
    identities: IdentityService | None,
) -> None:
    """See that each part has what it will be asked for, before anything is opened.

    Raises:
        ConfigError: one has not; the message names it and what it lacks.
    """
    for key, part, needs in (
        ("detector", detector, DETECTOR),
        ("identities", identities, SERVICE),
    ):
        if part is not None:
            check_part(key, part, needs)
    if embedder is not None:
        check_embedder("embedder", embedder)
    for place, source in enumerate(_listed("sources", sources)):
        check_source(source, f"sources.{place}")
    for place, sink in enumerate(_listed("sinks", sinks)):
        check_sink(sink, f"sinks.{place}")
    if isinstance(tracker, type) and issubclass(tracker, DeepSort):
        raise ConfigError(f"tracker: {_FACTORY}, not the class {tracker.__name__} itself")
    if tracker is not None and not callable(tracker):
        raise ConfigError(f"tracker: {_FACTORY}, not a {type(tracker).__name__}: each camera has a tracker of its own")


def check_source(source: Source, key: str = "source") -> None:
    """The same of one camera.

    Raises:
        ConfigError: it cannot be opened and read.
    """
    check_part(key, source, SOURCE)
    if not isinstance(source.stats, SourceStats):
        raise ConfigError(f"{key}: its stats are a {type(source.stats).__name__}, not SourceStats")
    if not isinstance(source.name, str):
        raise ConfigError(f"{key}: its name is {source.name!r}, not a text")


def tell_left_out(camera: CameraConfig) -> None:
    """Say which settings of a camera do nothing, since its frames come from a source of the program."""
    usual = CameraConfig(url="own")
    left = [key for key in _OF_OUR_SOURCES if getattr(camera, key) != getattr(usual, key)]
    if left:
        LOG.warning("camera %r: %s left out: the program gave its source", camera.name, ", ".join(left))


def named_as(source: Source, camera: CameraConfig) -> CameraConfig:
    """The camera with the name of the source that the program gave.

    Raises:
        ConfigError: it has another name.
    """
    if camera.name not in ("", source.name):
        raise ConfigError(f"camera {camera.name!r}: the source that was given is called {source.name!r}")
    return camera.model_copy(update={"name": source.name})


def check_sink(sink: Sink, key: str = "sink", **policies: Any) -> None:
    """The same of one receiver.

    Args:
        sink: the receiver.
        key: what messages call it.
        policies: `when_full` and `on_error` that go before what it declares.

    Raises:
        ConfigError: it cannot take steps, or a policy is unknown.
    """
    check_part(key, sink, SINK)
    for policy, known in (("when_full", get_args(WhenFull)), ("on_error", get_args(OnError))):
        for wanted in (policies.get(policy), getattr(sink, policy, None)):
            if wanted is not None and wanted not in known:
                raise ConfigError(f"{key}: {policy}: {wanted!r} is none of {', '.join(map(repr, known))}")


def _listed(key: str, parts: Any) -> Sequence[Any]:
    if not isinstance(parts, Sequence):
        raise ConfigError(f"{key}: a list is wanted, not a single {type(parts).__name__}")
    return parts


def by_name(sources: Sequence[Source]) -> dict[str, Source]:
    """The sources by name.

    Raises:
        ConfigError: two have one name.
    """
    named = {source.name: source for source in sources}
    if len(named) != len(sources):
        raise ConfigError("two sources have the same name")
    return named


def with_own_cameras(config: Config, sources: Mapping[str, Source]) -> Config:
    """The configuration with a camera for every source that it does not name."""
    for camera in config.cameras:
        if camera.name in sources:
            tell_left_out(camera)
    known = {camera.name for camera in config.cameras}
    added = [
        camera_settings({"url": f"own:{name}", "name": name, "live": bool(source.live)})
        for name, source in sources.items()
        if name not in known
    ]
    return config.model_copy(update={"cameras": (*config.cameras, *added)}) if added else config
