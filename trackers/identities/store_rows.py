"""The rows of a store of identities: what is written of a track, and what is known of a person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.arrays import numbers, seconds, whole_numbers
from relaytrack.trackers.errors import TrackerInputError
from relaytrack.trackers.identities.types import Floats, camera_name

CameraSums = Mapping[str, tuple[float, NDArray[np.float64]]]


@dataclass(frozen=True, slots=True, eq=False)
class StoredTrack:
    """One track of a run as it stands in the store; times in seconds of the run's clock."""

    camera: str
    track: int
    identity: int
    first: float
    last: float
    frames: int
    feature: Floats | None


@dataclass(frozen=True, slots=True)
class StoredIdentity:
    """What the store knows of one identity; times in seconds since 1970."""

    identity: int
    cameras: tuple[str, ...]
    first: float
    last: float
    tracks: int


def track_rows(tracks: Iterable[StoredTrack], run: int, origin: float) -> list[tuple[Any, ...]]:
    """The rows of the table `tracks`; `origin` is the time since 1970 at second 0 of the run's clock.

    Raises:
        TrackerInputError: what is no track, a number that is not whole, an embedding that is none.
        TimeError: a time that is no number.
    """
    rows: list[tuple[Any, ...]] = []
    for item in tracks if isinstance(tracks, Iterable) else [None]:
        if not isinstance(item, StoredTrack):
            raise TrackerInputError("what a store writes is a list of StoredTrack")
        whole = whole_numbers((item.track, item.identity, item.frames), "a track's id, identity and frames").tolist()
        first, last = (seconds(time, "a track's time") + origin for time in (item.first, item.last))
        look = None if item.feature is None else numbers(item.feature, "a track's feature", np.float16).tobytes()
        rows.append((run, camera_name(item.camera), *whole[:2], first, last, whole[2], look))
    return rows


def camera_rows(cameras: CameraSums | None) -> list[tuple[str, float, bytes]]:
    """The rows of the table `cameras`.

    Raises:
        TrackerInputError: not (count, sum of embeddings) for each camera.
    """
    rows = []
    for name, pair in (cameras or {}).items():
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise TrackerInputError(f"camera {name}: a count and a sum of embeddings are needed, not {pair!r}")
        count, total = numbers(pair[0], "a camera's count"), numbers(pair[1], "a camera's sum")
        if count.shape or total.ndim != 1:
            raise TrackerInputError(f"camera {name}: a count and a sum of embeddings (D,) are needed")
        rows.append((camera_name(name), float(count), total.tobytes()))
    return rows
