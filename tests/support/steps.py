"""Steps for tests of sinks, made as the engine makes them: events first, then people hidden, then drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from relaytrack.pipeline.build import create_pictures
from relaytrack.pipeline.config.schema import CameraConfig, Config
from relaytrack.pipeline.events.watch import EventWatch
from relaytrack.pipeline.records import Frame, FrameTracks, Image, Step
from relaytrack.pipeline.render.pictures import Pictures


@dataclass(frozen=True)
class Shot:
    """A frame's tracks with its picture."""

    tracks: FrameTracks
    image: Image

    @staticmethod
    def of(frame: Frame, *values: object, **named: object) -> Shot:
        """As `FrameTracks(frame, ...)`, with the picture beside."""
        return Shot(FrameTracks(frame.info, *values, **named), frame.image)  # type: ignore[arg-type]

    def having(self, **changed: object) -> Shot:
        """The same with other tracks."""
        return Shot(replace(self.tracks, **changed), self.image)  # type: ignore[arg-type]

    def at(self, **changed: object) -> Shot:
        """The same with other facts of the frame."""
        return Shot(replace(self.tracks, frame=replace(self.tracks.frame, **changed)), self.image)  # type: ignore[arg-type]


class Feed:
    """Makes steps one after the other.

    Args:
        config: says what is hidden and what is an event.
        live: as in a live run.
    """

    def __init__(self, config: Config | None = None, *, live: bool = False) -> None:
        config = config or Config()
        self.pictures: Pictures = create_pictures(config, live=live)
        self._events = EventWatch(config.cameras, config.events)

    def step(self, *shots: Shot) -> Step:
        """One moment."""
        tracks = [shot.tracks for shot in shots]
        step = Step.of(tracks)
        step = replace(step, events=tuple(self._events.update(step.time, tracks)))
        raw = {shot.tracks.frame.camera: shot.image for shot in shots}
        return self.pictures.add(step, raw, pixels=True, drawn=True)

    def close(self) -> None:
        """Close what was noted."""
        self.pictures.close()


def step_of(*shots: Shot) -> Step:
    """One moment by itself."""
    return Feed(Config.model_validate({"output": {"dir": None, "trail": 0}})).step(*shots)


def steps_of(moments: Sequence[Sequence[Shot]]) -> list[Step]:
    """Moments that belong together."""
    feed = Feed(Config.model_validate({"output": {"dir": None}}))
    return [feed.step(*shots) for shots in moments]


__all__ = ["CameraConfig", "Feed", "Shot", "step_of", "steps_of"]
