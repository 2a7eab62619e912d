"""Where people stand at the same moment: evidence from calibrated cameras with a common floor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.identities.ground_plane import GroundPlane
from relaytrack.trackers.identities.growing import enlarge, enlarge_squares
from relaytrack.trackers.identities.params import IdentityParams
from relaytrack.trackers.identities.switch_detector import SwitchDetector
from relaytrack.trackers.identities.tracklets import TrackletTable
from relaytrack.trackers.identities.types import CameraTracks, Floats, Ints

Doubles = NDArray[np.float64]
SIDE_ERROR, DEPTH_ERROR = 0.08, 0.05
"""Deviation of a box's feet as shares of its width (x) and of its height (y)."""
STANDING = 0.2
"""Metres by which the middle of a person differs from view to view."""
AREA = 30.0
"""Square metres over which a stranger may stand instead."""
SYNC = 0.6
"""Seconds by which two cameras' frames may differ and still be compared."""
FAR = -8.0


@dataclass(frozen=True, slots=True, eq=False)
class _Standing:
    time: float
    slots: Ints
    place: Doubles  # (N, 2) metres
    spread: Doubles  # (N, 2, 2) metres squared
    whole: NDArray[np.bool_]  # (N,) not cut off by the sides of the picture


class Floor:
    """Collects, pair by pair, how well simultaneous tracks of different cameras agree on the floor.

    Attributes (C slots of the table):
        first, last: (C, 2) metres where a track began and was last seen; NaN unknown.
        velocity: (C, 2) metres per second.
        first_spread, last_spread: (C,) variance of those places, square metres.
    """

    def __init__(self, calibrations: Mapping[str, GroundPlane], params: IdentityParams) -> None:
        self._planes = dict(calibrations)
        self._speed = params.feet_speed
        self._latest: dict[str, _Standing] = {}
        self._sum = np.zeros((0, 0), np.float32)
        self._count = np.zeros((0, 0), np.int32)
        self._good_sum, self._good_count = np.zeros((0, 0), np.float32), np.zeros((0, 0), np.int32)
        self.first, self.last = np.zeros((0, 2)), np.zeros((0, 2))
        self.velocity = np.zeros((0, 2))
        self.first_spread, self.last_spread = np.zeros(0), np.zeros(0)
        self._seen = np.zeros(0)
        self.switches = SwitchDetector()
        self._met: dict[tuple[str, str], float] = {}

    def __bool__(self) -> bool:
        return len(self._planes) > 0

    def calibrate(self, camera: str, plane: GroundPlane | None) -> None:
        """Take another ground plane for a camera from now on, or none."""
        self._latest.pop(camera, None)
        if plane is None:
            self._planes.pop(camera, None)
        else:
            self._planes[camera] = plane

    def place(self, view: CameraTracks) -> Doubles:
        """Floor metres (N, 2) of a view's tracks; NaN where the camera or the feet are unknown."""
        plane = self._planes.get(view.camera)
        if plane is None:
            return np.full((len(view), 2), np.nan)
        place = plane.feet(view.xyxy)
        if view.image_size is not None:
            place[view.xyxy[:, 3] > view.image_size[1] - 2] = np.nan  # feet outside the picture
        return place

    def observe(self, view: CameraTracks, slots: Ints, new: Ints, table: TrackletTable) -> None:
        """Take one camera's tracks and compare them with the other cameras' of this moment."""
        self.fit(table.size)
        self.begin(new)
        plane = self._planes.get(view.camera)
        if plane is None or len(slots) == 0:
            return
        place = self.place(view)
        sides = view.xyxy[:, 2:] - view.xyxy[:, :2]
        spread = plane.spread(view.xyxy, sides * np.array([SIDE_ERROR, DEPTH_ERROR]) + 1.0)
        spread = spread + STANDING**2 / 2 * np.eye(2)
        known = np.isfinite(place).all(axis=1) & np.isfinite(spread).all(axis=(1, 2))
        whole = np.ones(len(slots), bool)
        if view.image_size is not None:
            whole = (view.xyxy[:, 0] > view.origin[0] + 2) & (view.xyxy[:, 2] < view.image_size[0] - 2)
        slots, place, spread, whole = slots[known], place[known], spread[known], whole[known]
        self._walk(view.time, slots, place, spread)
        now = _Standing(view.time, slots, place, spread, whole)
        for camera, other in self._latest.items():
            if camera != view.camera and abs(view.time - other.time) <= SYNC:
                pair = (min(camera, view.camera), max(camera, view.camera))
                passed = view.time - self._met.get(pair, view.time - SYNC)
                self._met[pair] = max(view.time, self._met.get(pair, view.time))
                self._compare(now, other, passed)
        self._latest[view.camera] = now

    def begin(self, new: Ints) -> None:
        """Forget what was known of slots (N,) that new tracks have got."""
        new = new[new < len(self._sum)]
        if len(new) == 0:
            return
        for values in (self.first, self.last):
            values[new] = np.nan
        self.velocity[new] = 0
        for square in (self._sum, self._count, self._good_sum, self._good_count):
            square[new] = square[:, new] = 0
        self.switches.begin(new)

    def jumped(self, live: NDArray[np.bool_]) -> list[int]:
        """Slots of tracks that jumped to another person, as of `SwitchDetector.jumped`.

        The evidence against them since they last agreed with another track is taken back: it concerns the person they
        jumped to.
        """
        found = self.switches.jumped(live)
        for slot in found:
            others = np.flatnonzero(self._good_count[slot] > 0)
            for row, column in ((slot, others), (others, slot)):
                self._sum[row, column] = self._good_sum[row, column]
                self._count[row, column] = self._good_count[row, column]
        return found

    def together(self, slots: Ints, others: Ints) -> Floats:
        """(N, M) evidence in nats from moments that show both; 0 where there was none.

        Errors of one frame resemble those of the next, so evidence grows as the root of the frames, for
        nine frames at most.
        """
        grid = (slots[:, None], others[None, :])
        count = self._count[grid]
        mean = self._sum[grid] / np.maximum(count, 1)
        return np.asarray(mean * np.minimum(np.sqrt(count), 3.0), np.float32)

    def continuation(self, table: TrackletTable, slots: Ints, others: Ints, horizon: float) -> Floats:
        """(N, M) evidence in nats that one track takes up another's walk, in another camera."""
        row, column = slots[:, None], others[None, :]
        differ = table.camera[row] != table.camera[column]
        later = table.start[column] >= table.start[row]
        gap = np.where(later, table.start[column] - table.last[row], table.start[row] - table.last[column])
        out = np.zeros(differ.shape, np.float32)
        first, second = np.nonzero(differ & (gap > 0) & (gap <= horizon))
        if len(first) == 0:
            return out
        swap = ~later[first, second]
        a = np.where(swap, others[second], slots[first])
        b = np.where(swap, slots[first], others[second])
        wait = gap[first, second]
        expected = self.last[a] + self.velocity[a] * np.minimum(wait, 1.5)[:, None] * 0.7
        variance = self.last_spread[a] + self.first_spread[b] + (0.3 + 0.4 * self._speed * wait) ** 2
        squared = ((self.first[b] - expected) ** 2).sum(axis=1) / variance
        nats = np.log(AREA / (2 * np.pi * variance)) - 0.5 * squared
        out[first, second] = np.where(np.isfinite(nats), np.clip(nats, -3.0, 4.0), 0.0)
        return out

    def _walk(self, time: float, slots: Ints, place: Doubles, spread: Doubles) -> None:
        size = np.trace(spread, axis1=1, axis2=2) / 2
        begun = np.isfinite(self.last[slots]).all(axis=1)
        fresh = slots[~begun]
        self.first[fresh], self.first_spread[fresh] = place[~begun], size[~begun]
        old = slots[begun]
        passed = np.maximum(time - self._seen[old], 1e-3)[:, None]
        step = (place[begun] - self.last[old]) / passed
        speed = np.linalg.norm(step, axis=1, keepdims=True)
        step *= np.minimum(1.0, 2 * self._speed / np.maximum(speed, 1e-9))
        self.velocity[old] += np.minimum(passed, 1.0) * (step - self.velocity[old])
        self.last[slots], self.last_spread[slots], self._seen[slots] = place, size, time

    def _compare(self, now: _Standing, other: _Standing, since: float) -> None:
        if len(now.slots) == 0 or len(other.slots) == 0:
            return
        passed = now.time - other.time
        moved = other.place + self.velocity[other.slots] * passed
        delta = now.place[:, None] - moved[None]
        variance = now.spread[:, None] + other.spread[None]
        variance = variance + (0.5 * self._speed * abs(passed)) ** 2 * np.eye(2)
        determinant = variance[..., 0, 0] * variance[..., 1, 1] - variance[..., 0, 1] ** 2
        inverse = np.linalg.inv(variance)
        squared = np.einsum("nmi,nmij,nmj->nm", delta, inverse, delta)
        nats = np.log(AREA / (2 * np.pi * np.sqrt(np.maximum(determinant, 1e-9)))) - 0.5 * squared
        nats = np.clip(nats, FAR, 5.0)
        both = nats[np.ix_(now.whole, other.whole)]
        self.switches.compare(now.slots[now.whole], other.slots[other.whole], both, since)
        for a, b, value in ((now.slots, other.slots, nats), (other.slots, now.slots, nats.T)):
            grid = (a[:, None], b)
            self._sum[grid] += value
            self._count[grid] += 1
            good = self.switches.agreeing(a, b)
            self._good_sum[grid] = np.where(good, self._sum[grid], self._good_sum[grid])
            self._good_count[grid] = np.where(good, self._count[grid], self._good_count[grid])

    def fit(self, size: int) -> None:
        """Make room for so many slots; a camera that is calibrated later has none yet."""
        old = len(self._sum)
        if size <= old:
            return
        enlarge(self, ("first", "last", "first_spread", "last_spread", "_seen"), size, np.nan)
        enlarge(self, ("velocity",), size)
        enlarge_squares(self, ("_sum", "_count", "_good_sum", "_good_count"), size)
        self.switches.fit(size)
