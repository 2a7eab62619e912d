"""Tracks that jumped from one person to another, found by their positions on the floor.

Where people hide each other, a camera's tracker may continue a track on another person. If the track stood where
a track of another camera stood for a while, and then for a while stands far from it, one of the two jumped: the
one with fewer others that still agree with it. From then on it counts as a new track.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.identities.growing import enlarge_squares
from relaytrack.trackers.identities.types import Ints

PART = 1_000_000
"""What is added to a track's id for each time it jumped."""
MEMORY = 0.7
"""Seconds over which agreement is averaged."""
AGREED, BROKEN = 1.0, -4.0
"""Mean nats from which on two tracks agree, and below which they have come apart."""
MOMENTS = 6
"""Comparisons before two tracks can agree."""


class SwitchDetector:
    """How well pairs of tracks agree on the floor lately, by slot of the table; symmetric."""

    def __init__(self) -> None:
        self._recent = np.zeros((0, 0), np.float32)
        self._moments = np.zeros((0, 0), np.int16)
        self._agreed = np.zeros((0, 0), bool)
        self._fresh: set[tuple[int, int]] = set()

    def fit(self, size: int) -> None:
        """Make room for so many slots."""
        if size > len(self._recent):
            enlarge_squares(self, ("_recent", "_moments", "_agreed"), size)

    def begin(self, slots: Ints) -> None:
        """Forget what was known of these slots."""
        for values in (self._recent, self._moments, self._agreed):
            values[slots] = 0
            values[:, slots] = 0

    def agreeing(self, slots: Ints, others: Ints) -> NDArray[np.bool_]:
        """(N, M) pairs that lately stood at one place."""
        return np.asarray(self._recent[slots[:, None], others] > 0, bool)

    def compare(self, slots: Ints, others: Ints, nats: NDArray[np.floating], passed: float) -> None:
        """Take a moment's evidence (N, M), `passed` seconds after the last of these two cameras."""
        share = np.float32(1 - np.exp(-max(passed, 0.0) / MEMORY))
        for rows, columns, values in ((slots, others, nats), (others, slots, nats.T)):
            grid = (rows[:, None], columns)
            before = self._recent[grid]
            first = self._moments[grid] == 0
            now = np.where(first, values, before + share * (values - before)).astype(np.float32)
            self._recent[grid] = now
            self._moments[grid] = np.minimum(self._moments[grid] + 1, 1000)
            self._agreed[grid] |= (now > AGREED) & (self._moments[grid] >= MOMENTS)
        row, column = np.nonzero(self._agreed[slots[:, None], others] & (self._recent[slots[:, None], others] < BROKEN))
        self._fresh |= {(int(slots[a]), int(others[b])) for a, b in zip(row, column, strict=True)}

    def jumped(self, live: NDArray[np.bool_]) -> list[int]:
        """Slots of tracks that jumped since the last call; live (C,) says which slots are in sight."""
        out: set[int] = set()
        for one, other in sorted(self._fresh):
            support = [
                int(np.count_nonzero(self._agreed[slot] & (self._recent[slot] > 0) & live)) for slot in (one, other)
            ]
            if support[0] <= support[1] and (support[0] < support[1] or support[0] == 0):
                out.add(one)
            if support[1] <= support[0] and (support[1] < support[0] or support[1] == 0):
                out.add(other)
            self._agreed[one, other] = self._agreed[other, one] = False
        self._fresh.clear()
        return sorted(out)


class TrackParts:
    """The ids under which tracks go on after they jumped."""

    def __init__(self) -> None:
        self._part: dict[tuple[str, int], int] = {}

    def __bool__(self) -> bool:
        return len(self._part) > 0

    def rename(self, camera: str, ids: Ints) -> Ints:
        """(N,) the ids of the tracks' present parts."""
        return np.array([track + PART * self._part.get((camera, track), 0) for track in ids.tolist()], np.int64)

    def part(self, camera: str, track: int) -> None:
        """Let a track go on as another one, if the part named is its present one."""
        own, part = self._whose(camera, track)
        if part == self._part.get((camera, own), 0):
            self._part[camera, own] = part + 1

    def forget(self, camera: str, track: int) -> None:
        """Drop what is known of a track whose present part has ended."""
        own, part = self._whose(camera, track)
        if part == self._part.get((camera, own)):
            del self._part[camera, own]

    def _whose(self, camera: str, track: int) -> tuple[int, int]:
        """The camera's own id of a track and which part of it is named; a camera counts beyond `PART`, too."""
        for part in range(1, track // PART + 1):
            own = track - part * PART
            if self._part.get((camera, own), 0) >= part:
                return own, part
        return track, 0
