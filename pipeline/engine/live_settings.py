"""Settings that a run takes up while it goes on."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import Any

from relaytrack.pipeline import build
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.engine.parts import RunParts
from relaytrack.pipeline.errors import ConfigError
from relaytrack.pipeline.render.places import Places, places_of
from relaytrack.trackers.deepsort import TUNABLE as TRACKER
from relaytrack.trackers.identities.associator import TUNABLE as IDENTITIES

AT_ONCE = frozenset(
    {
        *("output.trail", "output.zones", "output.anonymise"),
        *("events.leave_after", "events.settle", "events.dwell"),
        *(f"tracker.{name}" for name in TRACKER),
        *(f"identities.{name}" for name in IDENTITIES),
    }
)
"""Dotted keys that can change without a new start. Everybody who is followed keeps track, number and counts."""


def take_up(parts: RunParts, wanted: Config, keys: Collection[str]) -> None:
    """Follow other settings from the next step on.

    Args:
        parts: those of the run.
        wanted: a configuration with the new values.
        keys: which of `AT_ONCE` may differ.

    Raises:
        ConfigError: a key cannot change while the run goes on.
        TrackerError: the values make no sense together.
    """
    late = sorted(set(keys) - AT_ONCE)
    if late:
        raise ConfigError(f"{late[0]}: holds after the next start")
    tracker = {name: getattr(wanted.tracker, name) for name in TRACKER if f"tracker.{name}" in keys}
    identities = {name: getattr(wanted.identities, name) for name in IDENTITIES if f"identities.{name}" in keys}
    if tracker and not wanted.tracker.is_ours:
        raise ConfigError("tracker: another package's tracker takes its settings at its start")
    # both checked before anything follows; the registry of cameras has an end of the run of its own
    config, of_cameras = with_keys(parts.config, wanted, keys), with_keys(parts.cameras.config, wanted, keys)
    if identities and not parts.own.corrections.tune(identities):
        raise ConfigError("identities: this service takes its settings at its start")
    if any(key.startswith("events.") for key in keys):
        parts.multi.set_events(config.events)
    if tracker:
        parts.multi.tune_trackers(tracker)
        parts.perception.set_min_score(build.least_score(config, parts.perception.detector))
    parts.config, parts.cameras.config = config, of_cameras
    parts.pictures.change(config.output.anonymise, config.output.trail)
    if "output.trail" in keys:
        parts.host.ask("set_trail", config.output.trail)
    if "output.zones" in keys:
        _show(parts.places, places_of(config, parts.cameras.settings()))


def _show(places: dict[str, Places], wanted: dict[str, Places]) -> None:
    """Draw these places from now on; other threads draw meanwhile, so no place is ever missing."""
    places.update(wanted)
    for name in set(places) - set(wanted):
        places.pop(name, None)


def with_keys(config: Config, wanted: Config, keys: Collection[str]) -> Config:
    """A configuration with some values of another one.

    Raises:
        TrackerError: the values of a section make no sense together.
    """
    values: dict[str, dict[str, Any]] = {}
    for key in keys:
        section, name = key.split(".")
        values.setdefault(section, {})[name] = getattr(getattr(wanted, section), name)
    changed: dict[str, Any] = {}
    for section, new in values.items():
        before: Any = getattr(config, section)
        plain = dataclasses.is_dataclass(before)
        changed[section] = dataclasses.replace(before, **new) if plain else before.model_copy(update=new)
    return config.model_copy(update=changed)
