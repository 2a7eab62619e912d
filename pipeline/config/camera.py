"""The settings of one camera, and the name of a camera that has none of its own."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from relaytrack.pipeline.config.section import FileName, Point, Section, Title
from relaytrack.pipeline.config.urls import plain_address, quoted, shown_address
from relaytrack.pipeline.errors import ConfigError
from relaytrack.trackers import GroundPlane

CAMERA_NAME = re.compile(r"[A-Za-z0-9_-]+")
_LIVE_SCHEMES = ("rtsp://", "rtsps://", "webcam:")
MOSAIC = "mosaic"  # the video of all cameras has this name
_LONGEST_GIVEN = 200  # letters of a camera's name: it names files, with up to 25 letters and an ending behind it
_LONGEST_PLACE = 100  # letters of a zone's or a line's name
_DEVICES = re.compile(r"con|prn|aux|nul|(?:com|lpt)[0-9]", re.IGNORECASE)
_LONGEST_NAME = 60  # letters of a name that RelayTrack gives; it names files


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
    fps: float | None = Field(
        default=None, ge=1e-6, description="rate of a source that has no clock (images, raw video)"
    )
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

    title: Title = Field(
        default="", max_length=60, description="what the page calls it; files and addresses keep `name`"
    )
    confined: bool = Field(
        default=False,
        description="never connect to another host than the address names, whatever it answers, and connect only "
        "within input.networks; `serve` sets it for cameras that are added in the page",
    )
    paused: bool = Field(default=False, description="a service takes no frames of it until it is resumed")

    @field_validator("zones", "lines", mode="before")
    @classmethod
    def _names(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        for name in value:
            if isinstance(name, str) and not (name.strip() and name.isprintable() and len(name) <= _LONGEST_PLACE):
                told = f"{quoted(name)} is no name for a zone or line"
                raise ValueError(f"{told}: use 1 to {_LONGEST_PLACE} letters that can be printed")
        # YAML reads the names 1 and 2 as numbers
        return {str(name) if type(name) in (int, float) else name: places for name, places in value.items()}

    @field_validator("zones")
    @classmethod
    def _zones(cls, value: dict[str, tuple[Point, ...]]) -> dict[str, tuple[Point, ...]]:
        for name, corners in value.items():
            if len(set(corners)) < 3:
                raise ValueError(f"zone {name!r} needs at least three corners")
            (x0, y0), *others = corners
            x1, y1 = max(others, key=lambda corner: math.dist(corner, (x0, y0)))
            if not any((x1 - x0) * (y - y0) != (y1 - y0) * (x - x0) for x, y in others):
                raise ValueError(f"zone {name!r} has no area: all its corners lie on one line")
            _check_pixels(f"zone {name!r}", corners)
        return value

    @field_validator("lines")
    @classmethod
    def _lines(cls, value: dict[str, tuple[Point, Point]]) -> dict[str, tuple[Point, Point]]:
        for name, (start, end) in value.items():
            if start == end:
                raise ValueError(f"line {name!r} needs two different points")
            _check_pixels(f"line {name!r}", (start, end))
        return value

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        if value and not CAMERA_NAME.fullmatch(value):
            raise ValueError(f"{quoted(value)} is not a camera name: use letters, digits, '_' and '-' (it names files)")
        if len(value) > _LONGEST_GIVEN:
            raise ValueError(f"{quoted(value)} is too long for a camera name: {_LONGEST_GIVEN} letters at the most")
        if value.startswith("-"):
            raise ValueError(
                f"{quoted(value)} begins like an option: a camera's name begins with a letter, digit or '_'"
            )
        if is_reserved(value):
            raise ValueError(
                f"{quoted(value)} names a device on Windows, where no file can be called so: choose another"
            )
        if value.lower() == MOSAIC:
            raise ValueError(f"{quoted(value)} is the name of the picture of all cameras: choose another one")
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


def _check_pixels(name: str, points: Sequence[Point]) -> None:
    """Refuse places that are given as shares of the picture: read as pixels, they hold nobody.

    Raises:
        ValueError: all numbers are between 0 and 1.
    """
    if all(0 <= number <= 1 for point in points for number in point):
        raise ValueError(f"{name} is smaller than a pixel: give pixels of the full picture, not shares of it")


def is_reserved(name: str) -> bool:
    """Whether no file can be called so on Windows, whatever its ending."""
    return _DEVICES.fullmatch(name) is not None


def as_camera(value: object) -> object:
    """Let a camera be written as its url alone."""
    return {"url": value} if isinstance(value, str) else value


def _is_plain_file(address: str) -> bool:
    """Whether an address is a file whose name may be shown (it becomes the camera's)."""
    scheme = address.lower().partition(":")[0]
    return scheme in ("file", address.lower()) and shown_address(address) == address


def file_stem(address: str) -> str:
    """The part of a file's name that can be a camera's name; "" for other addresses and for names in other scripts."""
    if not _is_plain_file(address):
        return ""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", Path(address).stem).strip("_-")[:_LONGEST_NAME]
    return f"{stem}_" if is_reserved(stem) else stem


def default_name(camera: CameraConfig, number: int, taken: Sequence[str]) -> str:
    """A name for a camera that has none: its file's stem, else `cam` and its number; unlike those `taken`.

    Capitals make no difference between names: on many disks they make none between files.
    """
    used = {MOSAIC, *(other.lower() for other in taken)}
    name = file_stem(camera.url) or f"cam{number}"
    if name.lower() not in used:
        return name
    return next(f"{name}_{n}" for n in range(2, len(used) + 3) if f"{name}_{n}".lower() not in used)


def joining(camera: CameraConfig, taken: Sequence[str]) -> CameraConfig:
    """A camera that joins the present ones, with a name; capitals make no difference between names.

    Raises:
        ConfigError: one of the cameras `taken` has its name.
    """
    if not camera.name:
        return camera.model_copy(update={"name": default_name(camera, len(taken) + 1, taken)})
    for name in taken:
        if name.lower() == camera.name.lower():
            raise ConfigError(f"there is a camera {name!r} already")
    return camera
