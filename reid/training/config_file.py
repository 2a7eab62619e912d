"""Configurations of training runs from files and overrides; a misspelt key is answered with the nearest name."""

from __future__ import annotations

import difflib
import itertools
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from relaytrack.reid.errors import ReidConfigError
from relaytrack.reid.paths import file_path
from relaytrack.reid.training.config import TrainConfig
from relaytrack.reid.yamlvalues import parse_yaml

PRESETS = Path(__file__).resolve().parents[1] / "configs"


def load_config(source: Path | str, overrides: Sequence[str] = ()) -> TrainConfig:
    """Read a YAML file, or a preset of `reid/configs` by its name, and apply `KEY=VALUE` overrides.

    Args:
        source: path of a YAML file, or "debug", "light", ...
        overrides: such as "run.iterations=500" or "data.sources.0.root=/data"; the value is read as YAML.

    Raises:
        ReidConfigError: no such file, not YAML, an unknown key (the nearest valid one is named) or a wrong value.
    """
    path = file_path(str(source))
    if not path.is_file() and (PRESETS / f"{source}.yaml").is_file():
        path = PRESETS / f"{source}.yaml"
    if not path.is_file():
        names = ", ".join(sorted(preset.stem for preset in PRESETS.glob("*.yaml")))
        raise ReidConfigError(f"no configuration {path}: give a YAML file or one of {names}")
    try:
        values = parse_yaml(path.read_text(encoding="utf-8-sig")) or {}
    except (OSError, UnicodeDecodeError) as error:
        raise ReidConfigError(f"cannot read {path}: {error}") from error
    except yaml.YAMLError as error:
        raise ReidConfigError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise ReidConfigError(f"{path}: a mapping of sections is needed")
    for override in overrides:
        _override(values, override)
    return parse_config(values, str(path))


def parse_config(values: Mapping[str, Any], where: str = "configuration") -> TrainConfig:
    """Check plain values.

    Raises:
        ReidConfigError: an unknown key or a wrong value; the key is named.
    """
    try:
        return TrainConfig.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            hint = difflib.get_close_matches(str(first["loc"][-1]), _names_at(first["loc"][:-1]), 1, 0.3)
            tail = f", did you mean {'.'.join([*map(str, first['loc'][:-1]), *hint])}?" if hint else ""
            raise ReidConfigError(f"{where}: unknown key {key}{tail}") from error
        raise ReidConfigError(f"{where}: {key}: {first['msg']}, not {first['input']!r}") from error


def _names_at(location: Sequence[int | str]) -> list[str]:
    """The valid keys of the section at a location."""
    section: Any = TrainConfig
    for part in location:
        if isinstance(part, int):
            continue
        section = section.model_fields[part].annotation
        while isinstance(section, types.GenericAlias) or typing.get_origin(section) is not None:
            section = typing.get_args(section)[0]
    return list(section.model_fields)


def _override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals:
        raise ReidConfigError(f"--set {override}: KEY=VALUE is needed")
    target: Any = values
    parts = key.split(".")
    for part, following in itertools.pairwise(parts):
        if isinstance(target, list):
            target = _item(target, part, key)
        else:
            target = target.setdefault(part, [{}] if following.isdecimal() else {})
        if not isinstance(target, dict | list):
            raise ReidConfigError(f"--set {key}: {part} is a value, not a section")
    try:
        value = parse_yaml(text)
    except yaml.YAMLError as error:
        raise ReidConfigError(f"--set {key}: cannot read {text!r}") from error
    if isinstance(target, list):
        _item(target, parts[-1], key)
        target[int(parts[-1])] = value
    else:
        target[parts[-1]] = _number(value)


def _item(target: list[Any], part: str, key: str) -> Any:
    if not part.isdecimal() or int(part) >= len(target):
        raise ReidConfigError(f"--set {key}: no item {part}")
    return target[int(part)]


def _number(value: Any) -> Any:
    """YAML 1.1 reads 1e-3 as text; here it is a number."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value
