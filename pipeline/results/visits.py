"""Who was in which camera when, computed from a run's tracks: stays, the ways between cameras, counts over time."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relaytrack.pipeline.results.identities import TrackRecord
from relaytrack.pipeline.results.run_data import RunData

_JOIN = 5.0  # seconds; a shorter absence from a camera is part of the same visit


@dataclass(frozen=True, slots=True)
class Visit:
    """One person's stay in one camera, seconds of the run's clock."""

    identity: int
    camera: str
    first: float
    last: float


def visits(identity: int, tracks: Sequence[TrackRecord]) -> list[Visit]:
    """A person's stays, by begin; pieces in one camera with less than 5 seconds between them are one stay."""
    found: list[Visit] = []
    for camera in sorted({track.camera for track in tracks}):
        spans = sorted(tuple(span) for track in tracks if track.camera == camera for span in track.spans)
        first, last = spans[0]
        for begin, end in spans[1:]:
            if begin - last > _JOIN:
                found.append(Visit(identity, camera, first, last))
                first, last = begin, end
            last = max(last, end)
        found.append(Visit(identity, camera, first, last))
    return sorted(found, key=lambda visit: (visit.first, visit.camera))


def transitions(stays: Sequence[Sequence[Visit]]) -> dict[tuple[str, str], list[float]]:
    """Seconds between leaving one camera and entering the next, per pair of cameras (from, to).

    Negative where the person was seen by both at once (overlapping views). A pair of one camera with itself is a
    return.
    """
    found: dict[tuple[str, str], list[float]] = {}
    for person in stays:
        for before, after in itertools.pairwise(person):
            found.setdefault((before.camera, after.camera), []).append(after.first - before.last)
    return found


def typical(seconds: Sequence[float]) -> float:
    """The median travel time."""
    return statistics.median(seconds)


def seen_together(
    some: Sequence[TrackRecord], others: Sequence[TrackRecord]
) -> tuple[TrackRecord, TrackRecord, float] | None:
    """The first two tracks that were in one camera at once, and since when; such two are not one person."""
    for one in some:
        for other in others:
            for a in one.spans:
                for b in other.spans:
                    if one.camera == other.camera and a[0] <= b[1] and b[0] <= a[1]:
                        return one, other, max(a[0], b[0])
    return None


def people_in_several(data: RunData) -> int:
    """How many people two or more cameras saw."""
    return sum(len({track.camera for track in tracks}) > 1 for tracks in data.people.values())


def counts(data: RunData, bins: int = 240) -> tuple[NDArray[np.float64], dict[str, NDArray[np.int64]]]:
    """How many people each camera saw over time.

    Returns:
        The bins' left edges in seconds, and per camera the number of identities seen in each bin.
    """
    start, end = data.span
    edges = np.linspace(start, end, bins, endpoint=False)
    width = (end - start) / bins
    table = {camera: np.zeros(bins, np.int64) for camera in data.cameras}
    for tracks in data.people.values():
        for camera in {track.camera for track in tracks} & table.keys():
            present = np.zeros(bins, bool)
            for track in tracks:
                if track.camera == camera:
                    for first, last in track.spans:
                        low, high = int((first - start) / width), int((last - start) / width)
                        present[max(0, low) : high + 1] = True
            table[camera] += present
    return edges, table


def rows_of(stays: Sequence[Visit]) -> Mapping[Visit, int]:
    """The row of each stay of one camera such that stays in one row do not overlap."""
    ends: list[float] = []
    rows: dict[Visit, int] = {}
    for visit in sorted(stays, key=lambda stay: (stay.first, stay.identity)):
        row = next((number for number, end in enumerate(ends) if end < visit.first), len(ends))
        if row == len(ends):
            ends.append(visit.last)
        ends[row] = visit.last
        rows[visit] = row
    return rows
