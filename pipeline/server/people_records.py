"""What the site knows of people, as records: a person, and one sighting of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from relaytrack.pipeline.records import Floats

TOGETHER = 0.5
"""Seconds in one camera at once after which two are surely two."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """One track of one person.

    Attributes:
        id: its number in the store; camera, track: where.
        identity: who; first, last: seconds since 1970; frames: how often.
        picture: whether there is a picture.
        similarity: cosine of its embedding with what it was compared with: the mean of the person's other sightings,
            or the picture of a search; None where nothing was compared.
    """

    id: int
    camera: str
    track: int
    identity: int
    first: float
    last: float
    frames: int
    picture: bool
    similarity: float | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """One person.

    Attributes:
        identity: their number; name: as given by an operator; watched: whether a return makes an event.
        cameras: where they were seen; first, last: seconds since 1970; sightings: how often.
        picture: number of the sighting with the best picture, None without any.
        here: cameras that show them now.
    """

    identity: int
    name: str
    watched: bool
    cameras: tuple[str, ...]
    first: float
    last: float
    sightings: int
    picture: int | None
    here: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class FormerNumber:
    """A number that one of a person's sightings had before.

    Attributes:
        id: the number.
        time: seconds since 1970 at which another one took its place.
        kind: why: "merge", "split", or "manual" (by hand).
        score: what spoke for it, in points of evidence (above 0 speaks for it); None where nothing is known.
        camera, track: which sighting.
    """

    id: int
    time: float
    kind: str
    score: float | None
    camera: str
    track: int


def vector_of(data: bytes) -> Floats:
    """A stored embedding, (D,) unit vector."""
    return np.frombuffer(data, np.float16).astype(np.float32)


def unit(vector: Floats) -> Floats:
    """The vector with length 1."""
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12), np.float32)


def sighting_of(row: Any, similarity: float | None = None) -> Sighting:
    """A row of the table `sightings` as a record."""
    return Sighting(
        row["id"],
        row["camera"],
        row["track"],
        row["identity"],
        row["first"],
        row["last"],
        row["frames"],
        row["picture"] is not None,
        similarity,
    )
