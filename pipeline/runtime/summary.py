"""What a run saw and how long it took: the figures behind the summary table and run.json."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from relaytrack.pipeline.perception.stage import Perception
from relaytrack.pipeline.records import FrameTracks
from relaytrack.pipeline.runtime.stage_thread import Worker
from relaytrack.pipeline.sources import Source

_AGES_KEPT = 20_000


@dataclass(slots=True)
class CameraSummary:
    """One camera: frames seen, people in them (tracks), and what went wrong while reading."""

    frames: int = 0
    dropped: int = 0
    broken: int = 0
    reconnects: int = 0
    error: str | None = None
    warning: str | None = None
    first_time: float | None = None
    last_time: float | None = None
    tracks: set[int] = field(default_factory=set)


class Summary:
    """Figures of a run, filled in step by step.

    Attributes:
        cameras: figures per camera, in the configuration's order.
        seconds: wall time of following, from the opening of the cameras to the last frame written.
        total_seconds: the same with the final pass.
        stages: per stage, seconds and how many things it did.
        identities: identity -> cameras that saw it.
    """

    def __init__(self, cameras: Iterable[str]) -> None:
        self.cameras = {camera: CameraSummary() for camera in cameras}
        self.seconds = 0.0
        self.total_seconds = 0.0
        self.stages: dict[str, dict[str, float]] = {}
        self.identities: dict[int, set[str]] = {}
        self._started = time.monotonic()
        self._ages: deque[float] = deque(maxlen=_AGES_KEPT)

    def add(self, step: Sequence[FrameTracks]) -> None:
        """Count one moment of all cameras."""
        now = time.monotonic()
        for seen in step:
            camera = self.cameras[seen.frame.camera]
            camera.frames += 1
            camera.tracks.update(seen.ids.tolist())
            camera.last_time = seen.frame.time
            if camera.first_time is None:
                camera.first_time = seen.frame.time
            for identity in seen.global_ids.tolist():
                self.identities.setdefault(identity, set()).add(seen.frame.camera)
            if seen.frame.arrived:
                self._ages.append(now - seen.frame.arrived)

    def identify(self, final: Mapping[tuple[str, int], int]) -> None:
        """Replace the provisional identities by the final ones."""
        self.identities = {}
        for (camera, track), identity in final.items():
            if track in self.cameras[camera].tracks:
                self.identities.setdefault(identity, set()).add(camera)

    def finish(
        self,
        seconds: float,
        sources: Sequence[Source],
        perception: Perception,
        workers: Sequence[Worker[Any, Any]],
    ) -> None:
        """Take the figures of the sources, the networks and the stages after them when following has ended."""
        self.seconds = self.total_seconds = seconds
        times = perception.times
        self.stages = {
            **{worker.name: {"seconds": worker.seconds, "count": worker.count} for worker in workers},
            "detect": {"seconds": times.detect, "count": times.frames},
            "crop": {"seconds": times.crop, "count": times.crops},
            "embed": {"seconds": times.embed, "count": times.crops},
        }
        for source in sources:
            camera, stats = self.cameras[source.name], source.stats
            camera.dropped, camera.broken = stats.dropped, stats.broken
            camera.reconnects, camera.error, camera.warning = stats.reconnects, stats.error, stats.warning

    @property
    def frames(self) -> int:
        """Frames of all cameras."""
        return sum(camera.frames for camera in self.cameras.values())

    @property
    def shared_identities(self) -> int:
        """Identities seen by two or more cameras."""
        return sum(len(cameras) >= 2 for cameras in self.identities.values())

    def people(self, camera: str) -> int:
        """Identities that one camera saw."""
        return sum(camera in cameras for cameras in self.identities.values())

    def rate(self, camera: str) -> float:
        """Frames per second of one camera, by wall time."""
        seconds = self.seconds or time.monotonic() - self._started
        return self.cameras[camera].frames / max(seconds, 1e-9)

    def age(self) -> dict[str, float] | None:
        """Seconds from decoding to outputs, median and 95th percentile of the last frames; None before any."""
        if not self._ages:
            return None
        p50, p95 = np.percentile(np.asarray(self._ages), [50, 95])
        return {"p50": round(float(p50), 4), "p95": round(float(p95), 4)}
