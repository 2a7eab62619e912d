"""How many came into each zone and crossed each line, over time; counted from the events that are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from relaytrack.pipeline.server.store import SiteStore

MOST_STEPS = 400
"""Steps of a history at the most."""


@dataclass(frozen=True, slots=True)
class CountHistory:
    """One zone or line.

    Attributes:
        camera, name: of the zone or line; kind: "zone" or "line".
        counts: by what was counted ("entered", "forward", "backward") one number per step.
    """

    camera: str
    name: str
    kind: str
    counts: Mapping[str, list[int]] = field(default_factory=dict)

    @property
    def most(self) -> int:
        """The largest number of a step, all that was counted together."""
        return max((sum(step) for step in zip(*self.counts.values(), strict=True)), default=0)


def count_history(store: SiteStore, since: float, until: float, step: float) -> list[CountHistory]:
    """The counts of every zone and line between two moments.

    Args:
        store: the site's memory.
        since: where the first step begins, seconds since 1970.
        until: where the last one ends.
        step: seconds of a step; there are at most `MOST_STEPS`.

    Raises:
        ValueError: no step, or too many.
    """
    if not step > 0 or not since < until:
        raise ValueError("since lies before until, and a step is longer than nothing")
    steps = -int(-(until - since) // step)
    if steps > MOST_STEPS:
        raise ValueError(f"at most {MOST_STEPS} steps")
    rows = store.rows(
        """SELECT camera, kind, coalesce(json_extract(data, '$.zone'), json_extract(data, '$.line')) AS name,
        coalesce(json_extract(data, '$.direction'), 'entered') AS what, CAST((epoch - ?) / ? AS INTEGER) AS place,
        count(*) AS n FROM events WHERE kind IN ('zone_enter', 'line_cross') AND epoch >= ? AND epoch < ?
        GROUP BY camera, kind, name, what, place ORDER BY camera, kind, name""",
        (since, step, since, until),
    )
    found: dict[tuple[str, str, str], dict[str, list[int]]] = {}
    for row in rows:
        line = row["kind"] == "line_cross"
        key = (row["camera"], str(row["name"]), "line" if line else "zone")
        names = ("forward", "backward") if line else ("entered",)
        counts = found.setdefault(key, {name: [0] * steps for name in names})
        if row["what"] in counts and 0 <= row["place"] < steps:
            counts[row["what"]][row["place"]] = row["n"]
    return [CountHistory(*key, counts) for key, counts in found.items()]
