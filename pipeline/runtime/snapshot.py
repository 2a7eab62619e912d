"""The present of a run as one frozen record: cameras, people, rates, ages, receivers."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from relaytrack.pipeline.identity.interface import IdentityStatus
from relaytrack.pipeline.records import FrameTracks, Step
from relaytrack.pipeline.runtime.sink_thread import SinkStatus
from relaytrack.pipeline.sources.base import SourceStats
from relaytrack.pipeline.sources.camera_queue import CameraState

RunState = Literal["new", "starting", "running", "stopping", "finalizing", "ended", "failed"]
_RECENT = 5.0  # seconds over which rates and ages are taken
_MOST_AGES = 500


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """One camera at present.

    Attributes:
        name: the camera; live: whether old frames are dropped; state: what it is doing.
        size: (width, height) of its frames, None before the first.
        frames: frames that came out so far; rate: of them per second over the last 5 seconds.
        age: seconds from decoding to ids of the last frame; age_p50, age_p95, age_p99: over the last 5 seconds; None
            where no frame came.
        dropped, broken, reconnects: as in `SourceStats`.
        error: the last failure, without passwords; warning: something short of one.
        tracks: the last frame with its tracks, without pictures; None before the first.
        waiting: decoded frames that wait.
        node: which part of a cluster follows it, and on which machine; None where this process does.
    """

    name: str
    live: bool
    state: CameraState
    size: tuple[int, int] | None
    frames: int
    rate: float
    age: float | None
    age_p50: float | None
    age_p95: float | None
    age_p99: float | None
    dropped: int
    broken: int
    reconnects: int
    error: str | None
    warning: str | None
    tracks: FrameTracks | None
    waiting: int
    node: str | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A run at present.

    Attributes:
        state: what the run is doing; error: what ended it, in one line.
        time: seconds on the run's clock, of the newest step.
        zero: seconds since 1970 at the run's time 0; None before the start.
        cameras: by name.
        present: identity -> cameras that show it in their last frame.
        identities: identities made so far.
        sinks: the receivers by name.
        service: the identity service; None before the start.
        stages: per stage the `seconds` that it has worked, and the `count` of frames, crops or steps.
        ahead: seconds by which this computer's clock is ahead of the run's dates, since it was set or slept.
        zones: per camera the counts of its zones (inside, total) and lines (forward, backward).
    """

    state: RunState
    error: str | None = None
    time: float | None = None
    zero: float | None = None
    cameras: Mapping[str, CameraStatus] = field(default_factory=dict)
    present: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    identities: int = 0
    sinks: Mapping[str, SinkStatus] = field(default_factory=dict)
    service: IdentityStatus | None = None
    stages: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    zones: Mapping[str, Mapping[str, Mapping[str, int]]] = field(default_factory=dict)
    ahead: float = 0.0


@dataclass(slots=True)
class _Recent:
    """The last moments of one camera: when its frames came out, and how old they were then."""

    frames: int = 0
    last: FrameTracks | None = None
    moments: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=_MOST_AGES))


class Present:
    """Collects what `Snapshot` tells of the steps; written by one thread, read by any."""

    def __init__(self) -> None:
        self._changing = threading.Lock()
        self._cameras: dict[str, _Recent] = {}
        self._started = time.monotonic()
        self.time: float | None = None

    def update(self, step: Step) -> None:
        """Take note of a step."""
        now = time.monotonic()
        with self._changing:
            self.time = step.time if self.time is None else max(self.time, step.time)
            for tracks in step:
                recent = self._cameras.setdefault(tracks.frame.camera, _Recent())
                recent.frames += 1
                recent.last = tracks
                recent.moments.append((now, now - tracks.frame.arrived if tracks.frame.arrived else 0.0))

    def forget(self, camera: str) -> None:
        """A camera has left."""
        with self._changing:
            self._cameras.pop(camera, None)

    def last(self, camera: str) -> FrameTracks | None:
        """A camera's last frame with its tracks."""
        with self._changing:
            recent = self._cameras.get(camera)
            return None if recent is None else recent.last

    def figures(self, camera: str) -> tuple[int, float, float | None, tuple[float | None, float | None, float | None]]:
        """Frames, rate, age of the last frame, and the ages' median, 95th and 99th percentile of the last seconds."""
        now = time.monotonic()
        with self._changing:
            recent = self._cameras.get(camera)
            if recent is None or not recent.moments:
                return 0, 0.0, None, (None, None, None)
            ages = [age for moment, age in recent.moments if now - moment <= _RECENT]
            frames, last = recent.frames, recent.moments[-1][1]
        passed = max(min(_RECENT, now - self._started), 1e-3)
        if not ages:
            return frames, 0.0, last, (None, None, None)
        p50, p95, p99 = np.percentile(ages, [50, 95, 99]).tolist()
        return frames, len(ages) / passed, last, (p50, p95, p99)

    def camera(
        self, name: str, live: bool, state: CameraState, size: tuple[int, int] | None, stats: SourceStats, waiting: int
    ) -> CameraStatus:
        """A camera at present, from what is known of its source (`CameraStatus` says what is what)."""
        frames, rate, age, (p50, p95, p99) = self.figures(name)
        return CameraStatus(
            name=name,
            live=live,
            state=state,
            size=size,
            frames=frames,
            rate=rate,
            age=age,
            age_p50=p50,
            age_p95=p95,
            age_p99=p99,
            dropped=stats.dropped,
            broken=stats.broken,
            reconnects=stats.reconnects,
            error=stats.error,
            warning=stats.warning,
            tracks=self.last(name),
            waiting=waiting,
        )

    def identities(self, cameras: Iterable[str]) -> dict[int, tuple[str, ...]]:
        """Who is in the last frame of which of the cameras."""
        found: dict[int, list[str]] = {}
        for camera in cameras:
            tracks = self.last(camera)
            for identity in [] if tracks is None else tracks.global_ids.tolist():
                found.setdefault(identity, []).append(camera)
        return {identity: tuple(shown) for identity, shown in sorted(found.items())}
