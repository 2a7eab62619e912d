"""The floors of calibrated cameras, read from the configuration or from the files it names."""

from __future__ import annotations

import yaml

from relaytrack.pipeline.config.schema import CameraConfig, Config
from relaytrack.pipeline.errors import ConfigError
from relaytrack.reid.yamlvalues import LONGEST, parse_yaml
from relaytrack.trackers import GroundPlane, TrackerInputError
from relaytrack.trackers.textfile import read_text


def ground_planes(config: Config) -> dict[str, GroundPlane]:
    """Return the floor of every calibrated camera, by its name.

    Raises:
        ConfigError: a calibration is missing or of no use; names the camera.
    """
    planes = ((camera.name, ground_plane(camera)) for camera in config.cameras)
    return {name: plane for name, plane in planes if plane is not None}


def ground_plane(camera: CameraConfig) -> GroundPlane | None:
    """Return the floor of a camera, None where it is not calibrated.

    Raises:
        ConfigError: the calibration is missing or of no use; names the camera.
    """
    values = camera.ground
    if values is None:
        return None
    where = f"camera {camera.name!r}: ground: "
    try:
        if isinstance(values, str):
            where += f"{values}: "
            text = read_text(values, LONGEST)
            if text.startswith("%YAML:") or "!!opencv-matrix" in text:
                raise TrackerInputError(
                    "OpenCV's own form of YAML: write each matrix as a list of rows, [[1, 0, 0], [0, 1, 0], [0, 0, 1]]"
                )
            values = parse_yaml(text)
            values = values.get("ground", values) if isinstance(values, dict) else values
        if not isinstance(values, dict):
            raise TrackerInputError("no keys of a calibration in it")
        return GroundPlane.from_mapping(values)
    except TrackerInputError as error:
        raise ConfigError(where + str(error).removeprefix("ground plane: ")) from None
    except OSError as error:
        raise ConfigError(f"{where}{error.strerror}") from None
    except (ValueError, yaml.YAMLError):
        raise ConfigError(f"{where}not valid YAML") from None
