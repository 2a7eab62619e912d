"""Settings that can be changed in the page: what they are, what the file says, and which hold at once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic.fields import FieldInfo

from relaytrack.pipeline.config.schema import Config, EventsConfig
from relaytrack.pipeline.engine.live_settings import AT_ONCE, with_keys
from relaytrack.pipeline.errors import ConfigError, RelayTrackError
from relaytrack.pipeline.server.site import DAY, Site
from relaytrack.trackers import TrackerError
from relaytrack.trackers.deepsort import TUNABLE as TRACKER
from relaytrack.trackers.identities.associator import TUNABLE as IDENTITIES

SETTABLE = (
    *("server.name", "server.retain_days", "server.session_hours"),
    *("output.trail", "output.zones", "output.anonymise"),
    *(f"events.{name}" for name in EventsConfig.model_fields),
    *(f"tracker.{name}" for name in TRACKER),
    *(f"identities.{name}" for name in IDENTITIES),
)
"""Only what cannot reach files, networks or programs."""
_OF_SERVER = {"server.name", "server.retain_days", "server.session_hours"}
_WORDS = {
    "server.retain_days": "days for which events and people are kept; empty: for ever",
    "server.session_hours": "hours for which a log-in holds",
    "output.anonymise": "hide people in every picture from now on",
    "events.enabled": "tell what happens: who comes and goes, zones and lines",
    "tracker.track_high_thresh": "detection score from which a person is followed first",
    "tracker.track_low_thresh": "score down to which people who are followed already are found again",
    "tracker.new_track_thresh": "score from which somebody new is followed",
    "identities.margin": "how much more alike than strangers two sightings must be to count as one person",
    "identities.crowd_margin": "how much higher identities.margin is among many people",
    "identities.stability": "how much a number resists being corrected",
    "identities.time_weight": "weight of the times between sightings",
    "identities.motion_weight": "weight of taking up a lost person's motion",
    "identities.ground_weight": "weight of where people stand on the calibrated floor",
}
_CHOICES: dict[str, tuple[str, ...]] = {"output.anonymise": ("heads", "persons")}


@dataclass(frozen=True, slots=True)
class SettingValue:
    """One setting.

    Attributes:
        key: dotted; description: what it does.
        value: as the file says; running: as this start took it, where that is another one.
        kind: "switch", "number", "text" or "choice"; choices: of the last one.
        optional: whether it can be empty.
        at_once: whether a change holds at once; else after the next start.
    """

    key: str
    description: str
    value: Any
    running: Any
    kind: str
    choices: tuple[str, ...]
    optional: bool
    at_once: bool


def settings_of(site: Site) -> list[SettingValue]:
    """All settings that can be changed in the page."""
    written = _written(site)
    found = []
    for key in SETTABLE:
        section, name = key.split(".")
        value, running = value_of(written, key), value_of(site.config, key)
        info = getattr(type(getattr(site.config, section)), "model_fields", {}).get(name)
        choices = _CHOICES.get(key, ())
        kind = "choice" if choices else _kind(running, info)
        said = _WORDS.get(key) or (info.description if info else "") or name.replace("_", " ")
        optional = info is not None and (info.default is None or "None" in str(info.annotation))
        found.append(SettingValue(key, said, value, running, kind, choices, optional, at_once(key)))
    return found


def value_of(config: Config, key: str) -> Any:
    """The value of a dotted key."""
    section, name = key.split(".")
    return getattr(getattr(config, section), name)


def at_once(key: str) -> bool:
    """Whether a change of a setting holds without a new start."""
    return key in AT_ONCE or key in _OF_SERVER


def _kind(value: Any, info: FieldInfo | None) -> str:
    if isinstance(value, bool):
        return "switch"
    return "text" if info is not None and info.annotation is str else "number"


def change_setting(site: Site, key: str, value: Any) -> bool:
    """Write a setting to the site's file; returns whether it holds at once, else after the next start.

    Raises:
        ConfigError: the value is of no use.
        OutputError: the file cannot be written.
    """
    site.file.set(key, value)
    if not at_once(key):
        return False
    try:
        take_up(site, _written(site), [key])
    except (RelayTrackError, TrackerError):
        return False  # the engine is not running, or the run's command line has set what does not go with it
    return True


def take_up(site: Site, wanted: Config, keys: Collection[str]) -> None:
    """Apply settings that need no new start.

    Raises:
        ConfigError: the engine does not take one of them now.
        TrackerError: they make no sense with the others.
    """
    config = with_keys(site.config, wanted, keys)
    engine = [key for key in keys if key in AT_ONCE]
    if engine:
        site.pipeline.change_settings(wanted, engine)
    site.config = config
    if "server.retain_days" in keys:
        days = site.config.server.retain_days
        seconds = None if days is None else days * DAY
        site.people.retain = site.events.retain = site.recordings.retain = seconds
    if "server.session_hours" in keys:
        site.accounts.session_seconds = site.config.server.session_hours * 3600


def _written(site: Site) -> Config:
    """The settings as the file has them now; those of the start where it cannot be read."""
    try:
        content = yaml.safe_load(site.file.path.read_text(encoding="utf-8")) or {}
        return Config.model_validate(content)
    except (OSError, ValueError, yaml.YAMLError, ConfigError):
        return site.config
