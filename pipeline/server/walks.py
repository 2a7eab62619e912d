"""A person's walks: from which camera to which, how long it took, and how long others take."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from relaytrack.pipeline.server.store import SiteStore

_LONGEST = 1800.0  # seconds between two sightings that are still one walk
_KNOWN = 5000  # sightings of everybody from which the usual time comes, the newest


@dataclass(frozen=True, slots=True)
class Walk:
    """One way from a camera's view into the next one's.

    Attributes:
        origin, target: the cameras; left, arrived: seconds since 1970.
        usual: median seconds of everybody's walks of this way; None where nobody else took it.
        others: how many walks of others that is.
    """

    origin: str
    target: str
    left: float
    arrived: float
    usual: float | None = None
    others: int = 0

    @property
    def seconds(self) -> float:
        """How long it took; below 0 where both cameras saw the person at once."""
        return self.arrived - self.left


def walks_of(sightings: Sequence[Mapping[str, Any]]) -> list[Walk]:
    """The walks among one person's sightings (`camera`, `first`, `last`), newest first."""
    found = []
    ordered = sorted(sightings, key=lambda one: float(one["first"]))
    for before, after in pairwise(ordered):
        if before["camera"] != after["camera"] and after["first"] - before["last"] < _LONGEST:
            found.append(Walk(before["camera"], after["camera"], before["last"], after["first"]))
    return found[::-1]


def with_usual_times(store: SiteStore, identity: int, walks: Sequence[Walk]) -> list[Walk]:
    """The walks with the median of what others need for them."""
    if not walks:
        return []
    rows = store.rows(
        "SELECT identity, camera, first, last FROM sightings WHERE identity != ? ORDER BY last DESC LIMIT ?",
        (identity, _KNOWN),
    )
    of: dict[int, list[Any]] = {}
    for row in rows:
        of.setdefault(row["identity"], []).append(row)
    seconds: dict[tuple[str, str], list[float]] = {}
    for theirs in of.values():
        for walk in walks_of(theirs):
            seconds.setdefault((walk.origin, walk.target), []).append(walk.seconds)
    found = []
    for walk in walks:
        known = seconds.get((walk.origin, walk.target), [])
        usual = statistics.median(known) if known else None
        found.append(replace(walk, usual=usual, others=len(known)))
    return found
