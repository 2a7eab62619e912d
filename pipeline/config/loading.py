"""Reading a configuration: YAML file, mapping and `key.path=value` overrides into a checked `Config`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from relaytrack.pipeline.config.renamed import with_new_names
from relaytrack.pipeline.config.schema import CameraConfig, Config, as_camera
from relaytrack.pipeline.config.urls import known_variables, plain_address, quoted, shown_key
from relaytrack.pipeline.errors import ConfigError
from relaytrack.reid.paths import file_path
from relaytrack.reid.settings import SettingsReader
from relaytrack.reid.yamlvalues import LONGEST
from relaytrack.trackers.textfile import NO_TEXT, read_text, text_fault

_READER = SettingsReader(Config, ConfigError, ("sinks",), ("cameras", "url"), shown_key, quoted)
_CAMERAS = SettingsReader(CameraConfig, ConfigError, (), ("url",), shown_key, quoted)


def load_config(
    path: str | Path | Mapping[str, Any] | None = None,
    *,
    overrides: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
) -> Config:
    """Read and check a configuration.

    Args:
        path: a YAML file; relative file names of cameras and weights in it are taken from its folder. A mapping is
            taken as `data`.
        overrides: values by dotted key, such as `{"detector.score_threshold": 0.3}`; they win over the file.
            A camera's keys are reached by its place, counted from 0: `cameras.0.max_fps`.
        data: the configuration as a mapping instead of a file.

    Returns:
        The configuration with every default filled in and every camera named.

    Raises:
        ConfigError: the file is missing or no YAML mapping, a key is unknown, or a value has the wrong type.
    """
    if isinstance(path, Mapping):
        path, data = None, path
    raw: dict[str, Any] = dict(data or {})
    where = "configuration"
    if path is not None:
        try:
            path = file_path(str(path))
        except ValueError as error:
            raise ConfigError(f"{str(path)!r}: {error}") from None
        where = str(path)
        raw = _read_yaml(path)
    raw = {section: content for section, content in raw.items() if content is not None}  # all of it commented out
    for key, value in (overrides or {}).items():
        _assign(raw, key, value)
    config = _READER.check(raw, where)
    if path is None or Path(path).is_char_device() or Path(path).is_fifo():  # what comes through a pipe has no folder
        return config
    return anchor(config, Path(path).parent)


def as_config(given: Config | str | Path | Mapping[str, Any]) -> Config:
    """The configuration that a program hands over: checked already, or a file or mapping to be read.

    Raises:
        ConfigError: it is none of these, or as in `load_config`.
    """
    if isinstance(given, Config):
        return given
    if isinstance(given, str | Path | Mapping):
        return load_config(given)
    raise ConfigError(f"a configuration is a Config, a file or a mapping, not {type(given).__name__}")


def camera_settings(given: CameraConfig | Mapping[str, Any] | str, before: CameraConfig | None = None) -> CameraConfig:
    """The settings of one camera that a program hands over.

    Args:
        given: its settings, or its address alone.
        before: keys that a mapping leaves out keep their values from here.

    Raises:
        ConfigError: it is none of these, a key is unknown, or a value makes no sense.
    """
    if isinstance(given, CameraConfig):
        return given
    if not isinstance(given, str | Mapping):
        raise ConfigError(f"a camera is a CameraConfig, an address or a mapping, not {type(given).__name__}")
    try:
        (named,) = with_new_names({"cameras": [as_camera(given)]})["cameras"]
    except ValueError as error:
        raise ConfigError(str(error)) from None
    return _CAMERAS.check({**({} if before is None else before.model_dump()), **named}, "camera")


def parse_assignment(text: str) -> tuple[str, Any]:
    """Split `key.path=value` of the command line; the value is read as YAML.

    Raises:
        ConfigError: there is no `=` or the value is no YAML.
    """
    return _READER.assignment(text)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        text = read_text(path, LONGEST)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such configuration file") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: a folder, not a configuration; --source takes it as a camera") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        fault = text_fault(error)
        if fault == NO_TEXT:
            fault = "not a configuration (UTF-8 text); a video is given with --source"
        raise ConfigError(f"{path}: {fault}") from None
    return _READER.mapping(text, str(path))


def _assign(raw: dict[str, Any], key: str, value: Any) -> None:
    """Set one key; a camera that is written as its url alone becomes a mapping where one of its keys is set."""
    if key.startswith("cameras.") and isinstance(raw.get("cameras"), list | tuple):
        raw["cameras"] = [as_camera(camera) for camera in raw["cameras"]]
    _READER.assign(raw, key, value)


def with_paths(camera: CameraConfig, change: Callable[[str], str]) -> CameraConfig:
    """The camera with `change` applied to the paths of its video, its detections and its ground points."""
    given = {"url": camera.url, "detections": camera.detections, "ground": camera.ground}
    return camera.model_copy(update={key: change(path) for key, path in given.items() if isinstance(path, str)})


def anchor(config: Config, folder: Path) -> Config:
    """Take relative paths of cameras and weights from a folder where they exist there."""

    def anchored(value: str) -> str:
        meant = plain_address(known_variables(value))  # ${CAMERA_URL} may be a whole address
        if not meant or "://" in meant or meant.startswith("webcam:") or Path(meant).is_absolute():
            return value
        return str(folder / value) if (folder / meant).exists() or not Path(meant).exists() else value

    def networks(section: Any) -> Any:
        if section.weights is None or not (folder / section.weights).exists():
            return section
        return section.model_copy(update={"weights": str(folder / section.weights)})

    return config.model_copy(
        update={
            "cameras": tuple(with_paths(camera, anchored) for camera in config.cameras),
            "detector": networks(config.detector),
            "embedder": networks(config.embedder),
        }
    )
