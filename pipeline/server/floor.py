"""The floor: where people are and were, in metres, for calibrated cameras."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relaytrack.pipeline.config.ground import ground_plane
from relaytrack.pipeline.config.schema import CameraConfig
from relaytrack.pipeline.errors import ConfigError
from relaytrack.pipeline.records import FrameTracks, Step
from relaytrack.pipeline.results.correction import Correction
from relaytrack.trackers import GroundPlane

CELL = 0.5
"""Metres of a side of the heat map's cells."""
_TRAIL = 30.0  # seconds of path behind a person
_APART = 0.2  # metres between two points of a path
_KEPT = 200  # points of a path at the most
_PRESENT = 2.0  # seconds unseen, plus three intervals of the slowest camera, after which somebody is no longer here
_SLOWEST = 5.0  # seconds between two frames that count for an interval at the most
_LEAP, _SPEED = 4.0, 4.0  # metres, and metres per second besides, beyond which nobody walked: their path begins anew
_FAR = 500.0  # metres from the origin beyond which a point is a fault of the calibration
_MOST_CELLS = 40_000


@dataclass(slots=True)
class _Path:
    seen: float
    camera: str
    points: deque[tuple[float, float, float]]  # epoch, x, y


class SiteFloor:
    """A sink that carries feet to the floor.

    People seen by several cameras stand at the mean of what the cameras say.
    """

    name = "site-floor"

    def __init__(self) -> None:
        self._planes: dict[str, GroundPlane] = {}
        self._sizes: dict[str, tuple[int, int, int, int]] = {}  # x, y, width, height of each camera's pictures
        self._paths: dict[int, _Path] = {}
        self._heat: dict[tuple[int, int], float] = {}
        self._last: dict[str, float] = {}  # epoch of each camera's last frame
        self._changing = threading.Lock()
        self._intervals: dict[str, float] = {}  # usual seconds between two frames of each camera
        self._newest = 0.0
        self._since = time.time()

    # the sink

    def write(self, step: Step) -> None:
        """Take note of a moment."""
        with self._changing:
            found: dict[int, list[NDArray[np.float64]]] = {}
            cameras: dict[int, str] = {}
            for tracks in step:
                plane = self._planes.get(tracks.frame.camera)
                if plane is None:
                    continue
                epoch = time.time() if tracks.frame.epoch is None else tracks.frame.epoch
                self._newest = max(self._newest, epoch)
                self._sizes[tracks.frame.camera] = (*tracks.frame.roi_origin, *tracks.frame.size)
                passed = max(0.0, epoch - self._last.get(tracks.frame.camera, epoch))
                usual = self._intervals.get(tracks.frame.camera, passed)
                self._intervals[tracks.frame.camera] = usual + 0.2 * (min(passed, _SLOWEST) - usual)
                lasts = min(1.0, passed)
                self._last[tracks.frame.camera] = epoch
                for identity, place in _places(plane, tracks):
                    found.setdefault(identity, []).append(place)
                    cameras[identity] = tracks.frame.camera
                    self._warm(place, lasts)
            for identity, places in found.items():
                self._step(identity, cameras[identity], np.mean(places, axis=0))
            for identity in [one for one, path in self._paths.items() if path.seen < self._newest - _TRAIL]:
                del self._paths[identity]

    def _step(self, identity: int, camera: str, place: NDArray[np.float64]) -> None:
        x, y = (round(float(value), 2) for value in place)
        path = self._paths.get(identity)
        if path is None:
            path = self._paths[identity] = _Path(self._newest, camera, deque(maxlen=_KEPT))
        if path.points:
            moved = np.hypot(x - path.points[-1][1], y - path.points[-1][2])
            if moved > _LEAP + _SPEED * max(0.0, self._newest - path.seen):
                path.points.clear()
        path.seen, path.camera = self._newest, camera
        if not path.points or np.hypot(x - path.points[-1][1], y - path.points[-1][2]) >= _APART:
            path.points.append((self._newest, x, y))
        while len(path.points) > 1 and path.points[0][0] < self._newest - _TRAIL:
            path.points.popleft()

    def _warm(self, place: NDArray[np.float64], seconds: float) -> None:
        cell = (int(np.floor(place[0] / CELL)), int(np.floor(place[1] / CELL)))
        if cell in self._heat or len(self._heat) < _MOST_CELLS:
            self._heat[cell] = self._heat.get(cell, 0.0) + seconds

    def camera_added(self, camera: CameraConfig) -> None:
        """Take up its calibration; another one than before makes the heat map begin anew."""
        try:
            plane = ground_plane(camera)
        except ConfigError:  # the engine has said so
            plane = None
        with self._changing:
            before = self._planes.pop(camera.name, None)
            if before is not None and (plane is None or not np.array_equal(before.to_ground, plane.to_ground)):
                self._heat.clear()
                self._since = time.time()
            if plane is not None:
                self._planes[camera.name] = plane

    def camera_removed(self, name: str) -> None:
        """Forget its calibration."""
        with self._changing:
            self._planes.pop(name, None)
            self._sizes.pop(name, None)
            self._last.pop(name, None)
            self._intervals.pop(name, None)

    def corrected(self, correction: Correction) -> None:
        """Somebody who is forgotten leaves no path."""
        if correction.kind == "forget":
            with self._changing:
                self._paths.pop(correction.person, None)

    def close(self) -> None:
        """Nothing is open."""

    # what is known

    @property
    def calibrated(self) -> bool:
        """Whether any camera has a floor."""
        return bool(self._planes)

    def people(self) -> list[dict[str, Any]]:
        """Who is on the floor, with their paths of the last half minute, oldest point first; metres."""
        with self._changing:
            present = _PRESENT + 3.0 * max(self._intervals.values(), default=0.0)
            return [
                {
                    "identity": identity,
                    "camera": path.camera,
                    "here": path.seen > self._newest - present,
                    "path": [[x, y] for _, x, y in path.points],
                }
                for identity, path in sorted(self._paths.items())
            ]

    def heat(self) -> list[list[float]]:
        """The heat map: rows of x, y (metres, the cell's corner) and the seconds that people stood there."""
        with self._changing:
            return [[x * CELL, y * CELL, round(value, 2)] for (x, y), value in self._heat.items()]

    def since(self) -> float:
        """When the heat map began, seconds since 1970."""
        return self._since

    def views(self) -> dict[str, list[list[float]]]:
        """What of the floor each camera sees: corners, metres; those beyond the horizon are left out."""
        with self._changing:
            known = [(name, plane, self._sizes.get(name)) for name, plane in self._planes.items()]
        found = {}
        for name, plane, size in known:
            if size is None:
                continue
            corners = plane.project(_edge(*size))
            corners = corners[np.isfinite(corners).all(axis=1) & (np.abs(corners) < _FAR).all(axis=1)]
            found[name] = np.round(corners, 2).tolist()
        return found


def _edge(x: int, y: int, width: int, height: int) -> NDArray[np.float64]:
    """(36, 2) points of a picture's edge, from its lower left corner on, nine a side."""
    share = np.linspace(0.0, 1.0, 9)
    zero, one = np.zeros(9), np.ones(9)
    sides = [(share, one), (one, 1 - share), (1 - share, zero), (zero, share)]
    points = np.concatenate([np.column_stack(side) for side in sides])
    return np.asarray(points * [width, height] + [x, y], np.float64)


def _places(plane: GroundPlane, tracks: FrameTracks) -> Sequence[tuple[int, NDArray[np.float64]]]:
    """(identity, (2,) metres) of everybody in a frame whose feet are on the floor."""
    x, y = tracks.frame.roi_origin
    places = plane.feet(tracks.xyxy + np.array([x, y, x, y], np.float32))
    good = np.isfinite(places).all(axis=1) & (np.abs(places) < _FAR).all(axis=1) & (tracks.global_ids > 0)
    return [(int(tracks.global_ids[row]), places[row]) for row in np.flatnonzero(good)]
