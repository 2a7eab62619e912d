"""Which people were confused: the identities of a finished run compared with the annotated ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from relaytrack.trackers.errors import TrackerInputError
from relaytrack.trackers.evaluation.overlaps import box_iou

Doubles = NDArray[np.float64]
IOU = 0.5


@dataclass(frozen=True, slots=True)
class Stretch:
    """Frames in which one camera showed a person under one identity (0: no track had the person)."""

    camera: str
    first: int
    last: int
    frames: int
    identity: int


@dataclass(frozen=True, slots=True)
class AnnotatedPerson:
    """One annotated person.

    Attributes:
        person: the annotated id.
        identity: the one that the best one-to-one assignment gives (0: none is left over).
        frames: annotated boxes; right: those found under that identity; other: under another; missed: by none.
        stretches: in order of time.
    """

    person: int
    identity: int
    frames: int
    right: int
    other: int
    missed: int
    stretches: tuple[Stretch, ...]


def compare(cameras: Mapping[str, tuple[Doubles, Doubles]]) -> list[AnnotatedPerson]:
    """Compare a run's identities with the annotated people.

    Args:
        cameras: name -> annotated and found rows (N, >= 6): frame, id, x, y, width, height (MOT text).

    Returns:
        one entry per person, those with most boxes under a wrong identity first.

    Raises:
        TrackerInputError: tables without these columns, or annotations without a person.
    """
    rows: list[tuple[int, str, int, int]] = []
    for name, (truth, found) in cameras.items():
        for table in (truth, found):
            if table.ndim != 2 or (len(table) and table.shape[1] < 6):
                raise TrackerInputError(f"camera {name}: rows of frame, id, x, y, width, height expected")
        for frame in np.unique(truth[:, 0]).tolist():
            here, there = truth[truth[:, 0] == frame], found[found[:, 0] == frame]
            match = np.zeros(len(here), np.int64)
            if len(there):
                overlap = box_iou(here[:, 2:6], there[:, 2:6])
                first, second = linear_sum_assignment(np.where(overlap >= IOU, overlap, 0.0), maximize=True)
                good = overlap[first, second] >= IOU
                match[first[good]] = there[second[good], 1].astype(np.int64)
            rows += [
                (int(frame), name, int(person), int(identity))
                for person, identity in zip(here[:, 1], match, strict=True)
            ]
    if not rows:
        raise TrackerInputError("the annotations hold no person")
    people = sorted({row[2] for row in rows})
    names = sorted({row[3] for row in rows} - {0})
    table = np.zeros((len(people), len(names)))
    for _, _, person, identity in rows:
        if identity:
            table[people.index(person), names.index(identity)] += 1
    chosen = dict.fromkeys(people, 0)
    for first, second in zip(*linear_sum_assignment(table, maximize=True), strict=True):
        if table[first, second]:
            chosen[people[first]] = names[second]
    out = [_person(person, chosen[person], [row for row in rows if row[2] == person]) for person in people]
    return sorted(out, key=lambda entry: (-entry.other, entry.person))


def _person(person: int, identity: int, rows: list[tuple[int, str, int, int]]) -> AnnotatedPerson:
    stretches: list[Stretch] = []
    for camera in sorted({row[1] for row in rows}):
        begun: list[tuple[int, int]] = []
        for frame, shown in [(row[0], row[3]) for row in sorted(rows) if row[1] == camera and row[3]]:
            if begun and begun[-1][1] != shown:
                stretches.append(_stretch(camera, begun))
                begun = []
            begun.append((frame, shown))
        if begun:
            stretches.append(_stretch(camera, begun))
    right = sum(row[3] == identity and identity > 0 for row in rows)
    missed = sum(row[3] == 0 for row in rows)
    ordered = tuple(sorted(stretches, key=lambda part: (part.first, part.camera)))
    return AnnotatedPerson(person, identity, len(rows), right, len(rows) - right - missed, missed, ordered)


def _stretch(camera: str, frames: list[tuple[int, int]]) -> Stretch:
    return Stretch(camera, frames[0][0], frames[-1][0], len(frames), frames[0][1])
