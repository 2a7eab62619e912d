"""Settings that a run takes up while it goes on."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import Any

from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.engine.parts import RunParts
from relaytrack.pipeline.errors import ConfigError
from relaytrack.pipeline.render.places import places_of

TRACKER = ("track_high_thresh", "track_low_thresh", "new_track_thresh")
IDENTITIES = ("margin", "crowd_margin", "stability", "time_weight", "motion_weight", "ground_weight")
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
    if identities and not parts.own.corrections.tune(identities):
        raise ConfigError("identities: this service takes its settings at its start")
    if any(key.startswith("events.") for key in keys):
        parts.multi.set_events(wanted.events)
    if tracker:
        parts.multi.tune_trackers(tracker)
    parts.config = with_keys(parts.config, wanted, keys)
    parts.desk.config = parts.config
    parts.pictures.change(parts.config.output.anonymise, parts.config.output.trail)
    parts.places.clear()
    parts.places.update(places_of(parts.config, parts.desk.settings()))


def with_keys(config: Config, wanted: Config, keys: Collection[str]) -> Config:
    """A configuration with some values of another one."""
    for key in keys:
        section, name = key.split(".")
        before: Any = getattr(config, section)
        value = {name: getattr(getattr(wanted, section), name)}
        plain = dataclasses.is_dataclass(before)
        changed = dataclasses.replace(before, **value) if plain else before.model_copy(update=value)
        config = config.model_copy(update={section: changed})
    return config
