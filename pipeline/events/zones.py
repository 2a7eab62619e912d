"""Zones and lines of a camera: who is in, who crossed, without flicker at the edge.

People are told apart by their identity, so that a track that breaks and begins anew counts once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Change = Literal["enter", "leave", "dwell"]


def points_in_polygon(points: Points, polygon: Points) -> NDArray[np.bool_]:
    """Which points (N, 2) lie inside a polygon (M, 2), by the even-odd rule; on an edge counts either way."""
    x, y = points[:, 0, None], points[:, 1, None]
    x1, y1 = polygon[:, 0], polygon[:, 1]
    x2, y2 = np.roll(x1, -1), np.roll(y1, -1)
    spans = (y1 > y) != (y2 > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        cut = x1 + (y - y1) * (x2 - x1) / (y2 - y1)
    inside: NDArray[np.bool_] = (spans & (x < cut)).sum(axis=1) % 2 == 1
    return inside


@dataclass(slots=True)
class _Stay:
    """What is known of one person and one zone."""

    inside: bool = False
    since: float = 0.0  # begin of the present stay
    changed: float | None = None  # since when the feet are on the other side
    last_inside: float = 0.0
    seen: float = 0.0
    dwelt: bool = False


class ZoneWatch:
    """Watches one zone of one camera.

    A person is in the zone once their feet have been inside for `settle` seconds on end, and out of it once they
    have been outside for as long, or the person has been unseen for five times as long.

    Args:
        polygon: (M, 2) corners in pixels of the source's full picture.
        settle: seconds.
        dwell: seconds in the zone after which a stay is reported, once.
    """

    def __init__(self, polygon: Points, *, settle: float = 0.5, dwell: float = 10.0) -> None:
        self._polygon = np.asarray(polygon, np.float64)
        self._settle = settle
        self._dwell = dwell
        self._stays: dict[int, _Stay] = {}
        self.total = 0

    def set_times(self, *, settle: float, dwell: float) -> None:
        """Count by other times from now on; see the arguments of the class."""
        self._settle, self._dwell = settle, dwell

    @property
    def inside(self) -> int:
        """How many people are in the zone now."""
        return sum(stay.inside for stay in self._stays.values())

    def update(self, time: float, ids: NDArray[np.int64], feet: Points) -> list[tuple[Change, int, float, float]]:
        """Take one frame.

        Args:
            time: seconds.
            ids: (N,) identities, each once.
            feet: (N, 2) pixels of the full picture.

        Returns:
            What happened: (change, identity, its moment, seconds of the stay so far).
        """
        found: list[tuple[Change, int, float, float]] = []
        within = points_in_polygon(feet, self._polygon) if len(ids) else np.zeros(0, bool)
        for person, now_inside in zip(ids.tolist(), within.tolist(), strict=True):
            stay = self._stays.setdefault(person, _Stay())
            stay.seen = time
            if now_inside:
                stay.last_inside = time
            if now_inside == stay.inside:
                stay.changed = None
            elif stay.changed is None:
                stay.changed = time
            if stay.changed is not None and time - stay.changed >= self._settle:
                if now_inside:
                    stay.inside, stay.since, stay.changed, stay.dwelt = True, stay.changed, None, False
                    self.total += 1
                    found.append(("enter", person, stay.since, time - stay.since))
                else:
                    found.append(self._leave(person, stay))
            if stay.inside and not stay.dwelt and time - stay.since >= self._dwell:
                stay.dwelt = True
                found.append(("dwell", person, time, time - stay.since))
        for person, stay in list(self._stays.items()):
            if time - stay.seen > self._settle and (time - stay.seen > 5.0 * self._settle or not stay.inside):
                if stay.inside:
                    found.append(self._leave(person, stay))
                del self._stays[person]
        return found

    def _leave(self, person: int, stay: _Stay) -> tuple[Change, int, float, float]:
        stay.inside, stay.changed = False, None
        return "leave", person, stay.last_inside, stay.last_inside - stay.since

    def rename(self, old: int, new: int) -> None:
        """The person with the number `old` has the number `new` now."""
        if old in self._stays and new not in self._stays:
            self._stays[new] = self._stays.pop(old)

    def finish(self) -> list[tuple[Change, int, float, float]]:
        """The run is over: everybody leaves."""
        return [self._leave(person, stay) for person, stay in self._stays.items() if stay.inside]


class LineWatch:
    """Watches one line of one camera.

    A person crosses when their feet go from clearly one side to clearly the other, at least `margin` pixels from the
    line, through the piece between the two ends. Standing or swaying on the line is no crossing.

    Args:
        ends: (2, 2) first and second point in pixels of the source's full picture.
        margin: pixels.
        forget: seconds after which somebody unseen is forgotten.
    """

    def __init__(self, ends: Points, *, margin: float = 4.0, forget: float = 10.0) -> None:
        ends = np.asarray(ends, np.float64)
        self._start = ends[0]
        self._along = (ends[1] - ends[0]) / np.linalg.norm(ends[1] - ends[0])
        self._length = float(np.linalg.norm(ends[1] - ends[0]))
        self._margin = margin
        self._forget = forget
        self._sides: dict[int, tuple[int, float, float, float]] = {}  # side, distance, place along, time
        self.forward = self.backward = 0

    def update(
        self, time: float, ids: NDArray[np.int64], feet: Points
    ) -> list[tuple[Literal["forward", "backward"], int]]:
        """Take one frame: (N,) identities, each once, and (N, 2) feet; returns who crossed, and which way."""
        found: list[tuple[Literal["forward", "backward"], int]] = []
        offset = feet - self._start
        place = offset @ self._along
        # y points down in pictures: this is positive on the right of somebody who walks along the line
        distance = self._along[0] * offset[:, 1] - self._along[1] * offset[:, 0]
        for person, far, where in zip(ids.tolist(), distance.tolist(), place.tolist(), strict=True):
            if abs(far) < self._margin:
                continue
            side = 1 if far > 0 else -1
            known = self._sides.get(person)
            if known is not None and known[0] != side:
                share = abs(known[1]) / (abs(known[1]) + abs(far))
                crossing = known[2] + share * (where - known[2])
                if 0.0 <= crossing <= self._length:
                    found.append(self._count("forward" if side > 0 else "backward", person))
            self._sides[person] = (side, far, where, time)
        for person, entry in list(self._sides.items()):
            if time - entry[3] > self._forget:
                del self._sides[person]
        return found

    def rename(self, old: int, new: int) -> None:
        """The person with the number `old` has the number `new` now."""
        if old in self._sides and new not in self._sides:
            self._sides[new] = self._sides.pop(old)

    def _count(
        self, direction: Literal["forward", "backward"], person: int
    ) -> tuple[Literal["forward", "backward"], int]:
        if direction == "forward":
            self.forward += 1
        else:
            self.backward += 1
        return direction, person
