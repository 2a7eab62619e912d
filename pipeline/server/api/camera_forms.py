"""What callers of `/api/v1/cameras` send: changes of a camera, a new camera, an address to try."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from relaytrack.pipeline.config.schema import Point
from relaytrack.pipeline.server.typed_line import Line

_MOST_ZONES = 50
_MOST_LEVELS = 6


def _not_deep(value: Any) -> Any:
    """A value whose lists and mappings lie few levels in each other, as those of the floor do."""
    level = [value]
    for _ in range(_MOST_LEVELS):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
    if level:
        raise ValueError("lists and mappings lie too deep in each other")
    return value


class CameraChange(BaseModel):
    """Settings of a camera that can be changed in the page; what is left out stays."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    url: str | None = Field(default=None, min_length=1, max_length=2000)
    title: Line | None = Field(default=None, max_length=60, description="what the page calls it")
    roi: tuple[int, int, int, int] | None = None
    max_fps: float | None = Field(default=None, gt=0, le=240)
    offset: float | None = None
    pixel_aspect: float | None = Field(default=None, ge=0.2, le=5)
    transport: Literal["tcp", "udp"] | None = None
    moving: bool | None = None
    zones: dict[Line, list[Point]] | None = Field(default=None, max_length=_MOST_ZONES)
    lines: dict[Line, list[Point]] | None = Field(default=None, max_length=_MOST_ZONES)
    ground: Annotated[dict[str, Any] | None, BeforeValidator(_not_deep)] = None
    revision: str | None = Field(
        default=None, description="the camera's `revision` as it was read; another one in between is a conflict"
    )


class NewCamera(CameraChange):
    """A camera to be added."""

    url: str = Field(min_length=1, max_length=2000)
    name: str = Field(default="", max_length=64)


class Address(BaseModel):
    """A camera to be tried."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(min_length=1, max_length=2000)
    transport: Literal["tcp", "udp"] | None = None
