"""What callers hand to the association and to the store, read into plain types or refused in one line.

numpy's integers match nothing in SQLite, and text would silently erase nobody: such arguments must be refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from relaytrack.trackers.arrays import numbers, seconds, whole_numbers
from relaytrack.trackers.errors import TrackerInputError
from relaytrack.trackers.identities.ground_plane import GroundPlane
from relaytrack.trackers.identities.types import CameraTracks, Floats, Ints, TrackKey, camera_name

Spans = dict[TrackKey, tuple[float, float]]
_TRACKS = "tracks are {(camera, track id): (first, last second)}"


def identity_set(identities: Any) -> set[int]:
    """Identities as Python's numbers.

    Raises:
        TrackerInputError: anything but a list, set or array of whole numbers.
    """
    return set(whole_numbers(identities, "identities").tolist())


def track_spans(tracks: Any) -> Spans:
    """Single tracks with the first and last time at which they were seen, infinite if not known; none for None.

    Raises:
        TrackerInputError: something else; the message says what is expected.
    """
    if tracks is None:
        return {}
    if not isinstance(tracks, Mapping):
        raise TrackerInputError(f"{_TRACKS}, not {type(tracks).__name__}")
    out: Spans = {}
    for key, span in tracks.items():
        for pair in (key, span):
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                raise TrackerInputError(f"{_TRACKS}; {pair!r} is no pair")
        track = int(whole_numbers([key[1]], "a track's ids")[0])
        first, last = _end(span[0], "a track's first time"), _end(span[1], "its last time")
        out[camera_name(key[0]), track] = first, last
    return out


def _end(time: Any, name: str) -> float:
    """An end of a span; one that is not known is infinite."""
    return time if isinstance(time, float) and math.isinf(time) else seconds(time, name)


def ground_planes(calibrations: Any) -> dict[str, GroundPlane]:
    """The ground plane of each camera; none for None.

    Raises:
        TrackerInputError: something else.
    """
    if calibrations is None:
        return {}
    if not isinstance(calibrations, Mapping):
        raise TrackerInputError(f"calibrations are {{camera: GroundPlane}}, not {type(calibrations).__name__}")
    return {camera_name(camera): ground_plane(camera, plane) for camera, plane in calibrations.items()}


def ground_plane(camera: str, plane: Any) -> GroundPlane:
    """The ground plane of one camera.

    Raises:
        TrackerInputError: something else; the message names the camera.
    """
    if not isinstance(plane, GroundPlane):
        raise TrackerInputError(f"camera {camera}: a calibration is a GroundPlane, not a {type(plane).__name__}")
    return plane


def known_people(identities: Any, features: Any) -> tuple[Ints, Floats]:
    """Identities (N,) from 1 on, each once, and an embedding (N, D) of finite numbers for each.

    Raises:
        TrackerInputError: something else.
    """
    names = whole_numbers(identities, "identities")
    features = numbers(features, "features", np.float32)
    if features.ndim != 2 or len(features) != len(names) or not np.isfinite(features).all():
        raise TrackerInputError(
            f"features has shape {features.shape}, and {len(names)} rows of finite numbers are needed"
        )
    if len(names) and (names.min() < 1 or len(np.unique(names)) < len(names)):
        raise TrackerInputError("identities are numbers from 1 on, each given once")
    return names, features


def list_of_views(views: Any) -> list[CameraTracks]:
    """One step's cameras, each with arrays of the right types; a camera at most once.

    Raises:
        TrackerInputError: something else.
    """
    checked: list[CameraTracks] = []
    for view in views if isinstance(views, Iterable) else [None]:
        if not isinstance(view, CameraTracks):
            raise TrackerInputError("views must be a list of CameraTracks, one for each camera")
        checked.append(view.checked())
    names = [view.camera for view in checked]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise TrackerInputError(f"camera {twice} is given twice in one step")
    return checked
