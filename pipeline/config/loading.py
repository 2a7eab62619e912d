"""Reading a configuration: YAML file, mapping and `key.path=value` overrides into a checked `Config`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from relaytrack.pipeline.config.schema import CameraConfig, Config, as_camera, unknown_key
from relaytrack.pipeline.config.urls import quoted, shown_key
from relaytrack.pipeline.config.wording import plain_words
from relaytrack.pipeline.errors import ConfigError
from relaytrack.reid.paths import file_path
from relaytrack.reid.yamlvalues import LONGEST, parse_yaml
from relaytrack.trackers.textfile import read_text

_PLACE = re.compile(r"[0-9]{1,6}")


def load_config(
    path: str | Path | None = None,
    *,
    overrides: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
) -> Config:
    """Read and check a configuration.

    Args:
        path: a YAML file; relative file names of cameras and weights in it are taken from its folder.
        overrides: values by dotted key, such as `{"detector.score_threshold": 0.3}`; they win over the file.
            A camera's keys are reached by its place, counted from 0: `cameras.0.max_fps`.
        data: the configuration as a mapping instead of a file.

    Returns:
        The configuration with every default filled in and every camera named.

    Raises:
        ConfigError: the file is missing or no YAML mapping, a key is unknown, or a value has the wrong type.
    """
    raw: dict[str, Any] = dict(data or {})
    where = "configuration"
    if path is not None:
        path = file_path(str(path))
        where = str(path)
        raw = _read_yaml(path)
    for key, value in (overrides or {}).items():
        _assign(raw, key, value)
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(f"{where}: {_explain(error)}") from None
    return config if path is None else anchor(config, Path(path).parent)


def parse_assignment(text: str) -> tuple[str, Any]:
    """Split `key.path=value` of the command line; the value is read as YAML.

    Raises:
        ConfigError: there is no `=` or the value is no YAML.
    """
    key, sign, value = text.partition("=")
    if not sign or not key.strip():
        raise ConfigError(f"--set {quoted(text)}: write key.path=value")
    try:
        return key.strip(), parse_yaml(value) if value.strip() else ""
    except yaml.YAMLError:
        raise ConfigError(f"--set {shown_key(key.strip())}: the value is no YAML") from None


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        text = read_text(path, LONGEST)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such configuration file") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: a folder, not a configuration; --source takes it as a camera") from None
    except (OSError, ValueError) as error:
        hint = "not a configuration (UTF-8 text); a video is given with --source"
        raise ConfigError(f"{path}: {error.strerror if isinstance(error, OSError) else hint}") from None
    try:
        raw = parse_yaml(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{path}: not valid YAML{line}") from None
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: a configuration is a mapping of sections, this is a {type(raw).__name__}")
    return raw


def _assign(raw: dict[str, Any], key: str, value: Any) -> None:
    """Set `a.b.c` in nested mappings and lists, making mappings on the way."""
    steps = key.split(".")
    *way, last = steps
    here: Any = raw
    for step, following in pairwise(steps):
        if isinstance(here, dict):
            if step == "sinks" and following == "0" and not here.get(step):
                here[step] = [{}]  # the first one
            elif here.get(step) is None:
                here[step] = {}
            if step == "cameras":
                here[step] = [as_camera(camera) for camera in here[step]] if here[step] else here[step]
            here = here[step]
        else:
            here = _item(here, step, key)
    if isinstance(here, dict):
        here[last] = value
    elif isinstance(here, list):
        _item(here, last, key)
        here[int(last)] = value
    else:
        raise ConfigError(f"--set {shown_key(key)}: there is nothing below {shown_key('.'.join(way))!r}")


def _item(here: Any, step: str, key: str) -> Any:
    if not isinstance(here, list) or not _PLACE.fullmatch(step) or int(step) >= len(here):
        raise ConfigError(
            f"--set {shown_key(key)}: no entry {shown_key(step if shown_key(key) == key else key)!r} there"
        )
    return here[int(step)]


def _explain(error: ValidationError) -> str:
    """Say the first problem in one line, with the key and, if it is unknown, the nearest valid one."""
    problems = error.errors(include_url=False)
    problem = next((p for p in problems if p["type"] == "extra_forbidden"), problems[0])
    key = ".".join(str(part) for part in problem["loc"] if part != "[key]")
    key = key and shown_key(key)
    if problem["type"] == "extra_forbidden":
        return unknown_key(key, str(problem["loc"][-1]), _keys_at(problem["loc"][:-1]))
    message = plain_words(problem)
    got = problem.get("input")
    secret = problem["loc"][-1:] in ((), ("cameras",), ("url",))
    shown = f" (got {quoted(got)})" if isinstance(got, str | int | float | bool) and not secret else ""
    return f"{key}: {message}{shown}" if key else message


def _keys_at(location: Iterable[int | str]) -> list[str]:
    """The valid keys of the section at a location of pydantic's error."""
    model: type[BaseModel] = Config
    for part in location:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        if field is None:
            break
        inner = CameraConfig if part == "cameras" else field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            model = inner
    return list(model.model_fields)


def anchor(config: Config, folder: Path) -> Config:
    """Take relative paths of cameras and weights from a folder where they exist there."""

    def anchored(value: str | None) -> str | None:
        if value is None or "://" in value or value.startswith("webcam:") or Path(value).is_absolute():
            return value
        return str(folder / value) if (folder / value).exists() or not Path(value).exists() else value

    def networks(section: Any) -> Any:
        if section.weights is None or not (folder / section.weights).exists():
            return section
        return section.model_copy(update={"weights": str(folder / section.weights)})

    cameras = tuple(
        camera.model_copy(
            update={
                "url": anchored(camera.url),
                "detections": anchored(camera.detections),
                "ground": anchored(camera.ground) if isinstance(camera.ground, str) else camera.ground,
            }
        )
        for camera in config.cameras
    )
    return config.model_copy(
        update={
            "cameras": cameras,
            "detector": networks(config.detector),
            "embedder": networks(config.embedder),
        }
    )
