"""How much work the networks put into live pictures: all of it, or less while there is too little time.

Measures are taken one by one, each on top of the ones before. First the detector sees every second frame of a camera
only, and the tracker carries boxes on in between. Then the detector's input gets smaller, step by step. Last,
embeddings are made half as often (`EmbeddingSchedule.sparing`).
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from relaytrack.pipeline.perception.detectors.sizes import OWN, SIDES
from relaytrack.pipeline.perception.embedding_schedule import EmbeddingSchedule

SMALLEST_SIDE = 320
"""Longer side of the smallest input that is chosen for want of time; below it a network of 416 finds hardly anybody."""


@runtime_checkable
class SizedDetector(Protocol):
    """A detector whose input can be made smaller while it works."""

    def largest_side(self) -> int:
        """Longer side of the largest input in use, pixels."""

    def limit_side(self, most: int | None) -> None:
        """Use no input of a longer side from now on; None takes the limit away."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One way to save time.

    Attributes:
        name: in a few words.
        alternate: people are looked for in every second frame.
        side: longer side of the detector's input at the most; None leaves it.
        fewer: looks are described half as often.
        saves: by what the networks' time is divided at the most when this is added to the measures before.
    """

    name: str
    alternate: bool = True
    side: int | None = None
    fewer: bool = False
    saves: float = 2.0


ALTERNATE = "looking for people in every second frame"
FEWER = "describing looks half as often"


def measures(detector: object) -> list[Measure]:
    """The measures that a detector allows, in the order in which they are taken; the first one is none."""
    found = [Measure("full effort", alternate=False, saves=1.0), Measure(ALTERNATE)]
    side = None
    if isinstance(detector, SizedDetector):
        before = detector.largest_side()
        for side in [one for one in sorted({SMALLEST_SIDE, OWN, *SIDES}, reverse=True) if one < before]:
            found.append(Measure(f"detector input of {side} pixels", side=side, saves=(before / side) ** 2))
            before = side
    found.append(Measure(FEWER, side=side if isinstance(detector, SizedDetector) else None, fewer=True, saves=1.5))
    return found


class Effort:
    """Says for each frame what is to be done; the level is set by `runtime.load`.

    Args:
        detector: what looks for people.
        schedule: says who is embedded.
    """

    def __init__(self, detector: object, schedule: EmbeddingSchedule) -> None:
        self._measures: Sequence[Measure] = measures(detector)
        self.level = 0
        self._detector, self._schedule = detector, schedule
        self._changing = threading.Lock()
        self._seen: dict[str, int] = {}  # frames by camera since the start

    @property
    def measures(self) -> Sequence[Measure]:
        """The measures that can be taken; they depend on the pictures' size, which the first frame tells."""
        with self._changing:
            if self.level == 0:
                self._measures = measures(self._detector)
            return self._measures

    @property
    def names(self) -> tuple[str, ...]:
        """What is saved at present, in words."""
        taken = self.measures[1 : self.level + 1]
        sides = [one.name for one in taken if one.side is not None and not one.fewer]
        others = [one.name for one in taken if one.side is None or one.fewer]
        return (*others[:1], *sides[-1:], *others[1:])

    @property
    def saved(self) -> float:
        """The factor by which the networks' time is divided at present, at the most."""
        return math.prod(one.saves for one in self.measures[1 : self.level + 1])

    def set(self, level: int) -> None:
        """Take the first `level` measures."""
        chosen = self.measures[level]
        with self._changing:
            self.level = level
            self._schedule.sparing = chosen.fewer
            if isinstance(self._detector, SizedDetector):
                self._detector.limit_side(chosen.side)

    def looks(self, camera: str) -> bool:
        """Whether people are looked for in the camera's next frame; asked once for each."""
        with self._changing:
            number = self._seen.setdefault(camera, len(self._seen))  # cameras take turns
            self._seen[camera] = number + 1
            return not self._measures[self.level].alternate or number % 2 == 0

    def forget(self, camera: str) -> None:
        """A camera has left."""
        with self._changing:
            self._seen.pop(camera, None)
