"""A person's strip: one row per camera, one bar per sighting, placed in percent of the time shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_WIDTH = 1000.0
_THIN = 4.0  # a bar's width at the least


@dataclass(frozen=True, slots=True)
class Bar:
    """One sighting: x and width in thousandths of the strip, and its number."""

    x: float
    width: float
    sighting: int
    first: float
    last: float


@dataclass(frozen=True, slots=True)
class Strip:
    """Rows by camera between two moments (seconds since 1970)."""

    first: float
    last: float
    rows: tuple[tuple[str, tuple[Bar, ...]], ...]


def strip_of(sightings: Sequence[Mapping[str, Any]]) -> Strip | None:
    """The strip of a person's sightings; None without any."""
    if not sightings:
        return None
    first = min(float(sighting["first"]) for sighting in sightings)
    last = max(float(sighting["last"]) for sighting in sightings)
    scale = _WIDTH / max(last - first, 1.0)
    rows: dict[str, list[Bar]] = {}
    for sighting in sorted(sightings, key=lambda one: float(one["first"])):
        x = (sighting["first"] - first) * scale
        width = max((sighting["last"] - sighting["first"]) * scale, _THIN)
        bar = Bar(
            round(min(x, _WIDTH - width), 1), round(width, 1), sighting["id"], sighting["first"], sighting["last"]
        )
        rows.setdefault(sighting["camera"], []).append(bar)
    return Strip(first, last, tuple((camera, tuple(bars)) for camera, bars in sorted(rows.items())))
