"""Events about cameras, recordings and the machine, without a person; `pipeline.events.schema` says what they mean."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from relaytrack.pipeline.events.base_event import BaseEvent


class _CameraEvent(BaseEvent):
    """About a camera, and nobody in it."""

    track: Literal[0] = 0
    identity: Literal[0] = 0


class CameraLostEvent(_CameraEvent):
    """A live camera gives no pictures any more."""

    event: Literal["camera_lost"] = "camera_lost"
    reason: str


class CameraBackEvent(_CameraEvent):
    """A lost camera gives pictures again."""

    event: Literal["camera_back"] = "camera_back"
    seconds: float = Field(ge=0)


class RecordingLostEvent(_CameraEvent):
    """Recordings cannot be written any more."""

    event: Literal["recording_lost"] = "recording_lost"
    camera: str = ""
    reason: str


class RecordingBackEvent(_CameraEvent):
    """Recordings are written again."""

    event: Literal["recording_back"] = "recording_back"
    camera: str = ""
    seconds: float = Field(ge=0)


class OverloadedEvent(_CameraEvent):
    """More frames come than there is time for."""

    event: Literal["overloaded"] = "overloaded"
    dropped: float = Field(ge=0, le=1)
    age: float | None = None


class ClockSetEvent(_CameraEvent):
    """This computer's clock was set, or it slept; the run's dates go on by the clock of its start."""

    event: Literal["clock_set"] = "clock_set"
    camera: str = ""
    seconds: float
    ahead: float


class AdaptedEvent(_CameraEvent):
    """The networks do more or less work per picture, so that the run keeps up."""

    event: Literal["adapted"] = "adapted"
    camera: str = ""
    level: int = Field(ge=0)
    saved: tuple[str, ...]
