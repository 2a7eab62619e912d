"""The floors of calibrated cameras, read from the configuration or from the files it names."""

from __future__ import annotations

from pathlib import Path

import yaml

from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.errors import ConfigError
from relaytrack.trackers import GroundPlane, InputError


def ground_planes(config: Config) -> dict[str, GroundPlane]:
    """Return the floor of every calibrated camera, by its name.

    Raises:
        ConfigError: a calibration is missing or of no use; names the camera.
    """
    planes = {}
    for camera in config.cameras:
        values = camera.ground
        if values is None:
            continue
        try:
            if isinstance(values, str):
                values = yaml.safe_load(Path(values).read_text(encoding="utf-8-sig"))
                values = values.get("ground", values) if isinstance(values, dict) else values
            if not isinstance(values, dict):
                raise InputError("no mapping of calibration keys")
            planes[camera.name] = GroundPlane.from_mapping(values)
        except (OSError, UnicodeDecodeError, yaml.YAMLError, InputError) as error:
            reason = error if isinstance(error, InputError) else f"cannot read {camera.ground}"
            raise ConfigError(f"camera {camera.name!r}: ground: {reason}") from None
    return planes
