"""Parts of a run that a program brings itself, instead of those that the configuration names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from relaytrack.pipeline.clock import RunClock
from relaytrack.pipeline.config.schema import CameraConfig, Config
from relaytrack.pipeline.errors import ConfigError
from relaytrack.pipeline.events.known_tracks import EarlierTrack
from relaytrack.pipeline.identity.corrections import Corrections
from relaytrack.pipeline.identity.interface import IdentityService
from relaytrack.pipeline.perception.detectors.base import Detector
from relaytrack.pipeline.perception.stage import CropEmbedder, Perception
from relaytrack.pipeline.sinks.base import Sink
from relaytrack.pipeline.sources import is_live
from relaytrack.pipeline.sources.base import Source
from relaytrack.pipeline.tracking.tracker import Tracker

TrackerFactory = Callable[[CameraConfig], Tracker]
"""Makes a fresh tracker for a camera."""
Until = Literal["sources_end", "stopped"]
"""When a run ends by itself: with its last source, or never before `stop()`."""


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
    known = {camera.name for camera in config.cameras}
    added = [
        CameraConfig(url=f"own:{name}", name=name, live=source.live)
        for name, source in sources.items()
        if name not in known
    ]
    return config.model_copy(update={"cameras": (*config.cameras, *added)}) if added else config
