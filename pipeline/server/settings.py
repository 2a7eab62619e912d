"""Settings that can be changed in the page: what they are, what the file says, and which hold at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml
from pydantic.fields import FieldInfo

from relaytrack.pipeline.config.schema import Config, EventsConfig
from relaytrack.pipeline.errors import ConfigError
from relaytrack.pipeline.server.site import Site

SETTABLE = (
    *("server.name", "server.retain_days", "server.session_hours"),
    *("output.trail", "output.zones", "output.anonymise"),
    *(f"events.{name}" for name in EventsConfig.model_fields),
)
"""Only what cannot reach files, networks or programs."""
_AT_ONCE = {"server.name"}
_KINDS: dict[object, str] = {bool: "switch", str: "text"}
_CHOICES: dict[str, tuple[str, ...]] = {"output.anonymise": ("heads", "persons")}


@dataclass(frozen=True, slots=True)
class SettingValue:
    """One setting.

    Attributes:
        key: dotted; description: what it does.
        value: as the file says; running: as this start took it, where that is another one.
        kind: "switch", "number", "text" or "choice"; choices: of the last one.
        optional: whether it can be empty.
    """

    key: str
    description: str
    value: Any
    running: Any
    kind: str
    choices: tuple[str, ...]
    optional: bool


def settings_of(site: Site) -> list[SettingValue]:
    """All settings that can be changed in the page."""
    written = _written(site)
    found = []
    for key in SETTABLE:
        section, name = key.split(".")
        info: FieldInfo = type(getattr(site.config, section)).model_fields[name]
        value, running = getattr(getattr(written, section), name), getattr(getattr(site.config, section), name)
        choices = _CHOICES.get(key, ())
        kind = (
            "choice"
            if choices
            else "switch"
            if info.annotation is bool
            else "text"
            if info.annotation is str
            else "number"
        )
        optional = info.default is None or "None" in str(info.annotation)
        found.append(
            SettingValue(key, info.description or name.replace("_", " "), value, running, kind, choices, optional)
        )
    return found


def change_setting(site: Site, key: str, value: Any) -> bool:
    """Write a setting to the site's file; returns whether it holds at once, else after the next start.

    Raises:
        ConfigError: the value is of no use.
        OutputError: the file cannot be written.
    """
    site.file.set(key, value)
    if key not in _AT_ONCE:
        return False
    section, name = key.split(".")
    changed = getattr(site.config, section).model_copy(update={name: value})
    site.config = site.config.model_copy(update={section: changed})
    return True


def _written(site: Site) -> Config:
    """The settings as the file has them now; those of the start where it cannot be read."""
    try:
        content = yaml.safe_load(site.file.path.read_text(encoding="utf-8")) or {}
        return Config.model_validate(content)
    except (OSError, ValueError, yaml.YAMLError, ConfigError):
        return site.config
