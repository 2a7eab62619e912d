"""The settings of the tracker; the sections of plain dataclasses refuse unknown keys, too."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator

from relaytrack.pipeline.config.names import TRACKERS, known_name
from relaytrack.pipeline.config.urls import shown_key
from relaytrack.reid.settings import unknown_key
from relaytrack.trackers import DeepSortParams, IdentityParams


@dataclasses.dataclass(frozen=True)
class TrackerSettings(DeepSortParams):
    """The settings of `DeepSort`, and which tracker it is.

    Attributes:
        name: "deepsort"; "classic", the same with the paper's settings as defaults; or an installed package's tracker.
        options: settings of another package's tracker.
    """

    name: str = "deepsort"
    options: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def is_ours(self) -> bool:
        """Whether it is `DeepSort`."""
        return self.name in TRACKERS


def _tracker(value: object) -> object:
    """Give a tracker's defaults by its name."""
    if not isinstance(value, Mapping):
        return value
    name = value.get("name", "deepsort")
    if not isinstance(name, str):
        raise ValueError("name: not a name")
    if name == "classic":
        return {**dataclasses.asdict(DeepSortParams.classic()), **value}
    known_name("name", name, TRACKERS, "relaytrack.trackers")
    return value


def _known_keys_only(record: type[Any]) -> BeforeValidator:
    """Refuse unknown keys of a section that is a plain dataclass of `trackers`."""
    known = [field.name for field in dataclasses.fields(record)]

    def check(value: object) -> object:
        for key in value if isinstance(value, dict) else ():
            if key not in known:
                raise ValueError(unknown_key(shown_key(str(key)), str(key), known))
        return value

    return BeforeValidator(check)


TrackerSection = Annotated[TrackerSettings, BeforeValidator(_tracker), _known_keys_only(TrackerSettings)]
IdentitiesSection = Annotated[IdentityParams, _known_keys_only(IdentityParams)]
