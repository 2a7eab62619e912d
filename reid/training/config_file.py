"""Configurations of training runs: YAML files, presets, and single keys that are changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from relaytrack.reid.errors import ReidConfigError
from relaytrack.reid.paths import file_path
from relaytrack.reid.settings import SettingsReader
from relaytrack.reid.training.config import TrainConfig

PRESETS = Path(__file__).resolve().parents[1] / "configs"
_READER = SettingsReader(TrainConfig, ReidConfigError, ("sources", "low_resolution"))


def load_config(source: Path | str, overrides: Sequence[str] = ()) -> TrainConfig:
    """Read a YAML file, or a preset of `reid/configs` by its name, and apply `KEY=VALUE` overrides.

    Args:
        source: path of a YAML file, or "debug", "light", ...
        overrides: such as "run.iterations=500" or "data.sources.0.root=/data"; the value is read as YAML.

    Raises:
        ReidConfigError: no such file, not YAML, an unknown key (the nearest valid one is named) or a wrong value.
    """
    try:
        path = file_path(str(source))
    except ValueError as error:
        raise ReidConfigError(f"{str(source)!r}: {error}") from None
    if not path.is_file() and (PRESETS / f"{source}.yaml").is_file():
        path = PRESETS / f"{source}.yaml"
    if not path.is_file():
        names = ", ".join(sorted(preset.stem for preset in PRESETS.glob("*.yaml")))
        raise ReidConfigError(f"no configuration {path}: give a YAML file or one of {names}")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ReidConfigError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ReidConfigError(f"{path}: not a configuration (UTF-8 text)") from None
    values = _READER.mapping(text, str(path))
    for override in overrides:
        _READER.assign(values, *_READER.assignment(override))
    return parse_config(values, str(path))


def parse_config(values: Mapping[str, Any], where: str = "configuration") -> TrainConfig:
    """Check plain values.

    Raises:
        ReidConfigError: an unknown key or a wrong value; the key is named.
    """
    return _READER.check(values, where)
