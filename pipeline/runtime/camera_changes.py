"""What changes when a camera is given other settings while it is in the run."""

from __future__ import annotations

from collections.abc import Collection

from relaytrack.pipeline.config.schema import CameraConfig
from relaytrack.pipeline.errors import ConfigError

SETTINGS = frozenset({"zones", "lines", "ground", "title", "paused"})
"""What changes without another source."""
READING = frozenset({"max_fps", "offset", "fps", "transport", "live"})
"""What asks for another source, but leaves the pictures as they are: tracks go on."""


def changed_keys(before: CameraConfig, after: CameraConfig) -> set[str]:
    """The keys in which two settings of one camera differ."""
    return {key for key in type(after).model_fields if getattr(after, key) != getattr(before, key)}


def refuse_given(camera: str, changed: Collection[str]) -> None:
    """Refuse a change of a camera whose source the program itself gave, if it asks for another source.

    Raises:
        ConfigError: it does, and only the program can give one.
    """
    for key in sorted({*changed} - SETTINGS):
        raise ConfigError(
            f"camera {camera!r}: its source was given by the program; for another {key} remove the camera and add it "
            "with a new source"
        )
