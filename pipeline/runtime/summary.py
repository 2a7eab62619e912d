"""What a run saw and how long it took: the figures behind the summary table and run.json.

The memory of a summary is bounded, however long a run goes on.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from relaytrack.pipeline.perception.detectors.sizes import Sight
from relaytrack.pipeline.perception.stage import Perception
from relaytrack.pipeline.records import FrameTracks
from relaytrack.pipeline.runtime.sink_thread import SinkStatus
from relaytrack.pipeline.runtime.stage_thread import Worker
from relaytrack.pipeline.sources import SourceStats

_AGES_KEPT = 20_000
_IDENTITIES_KEPT = 20_000
_CHANGES_KEPT = 1_000


@dataclass(slots=True)
class CameraSummary:
    """One camera: frames seen, tracks confirmed, how closely it is looked at, what went wrong while reading."""

    frames: int = 0
    dropped: int = 0
    broken: int = 0
    reconnects: int = 0
    error: str | None = None
    warning: str | None = None
    first_time: float | None = None
    last_time: float | None = None
    tracks: int = 0
    left: int = 0  # identities of this camera that are counted only
    sight: Sight | None = None
    age: float | None = None  # seconds from decoding to ids, of the last frame


def joined(first: CameraSummary, then: CameraSummary) -> CameraSummary:
    """The figures of a camera that two programs followed, one after the other."""
    times = [one.first_time for one in (first, then) if one.first_time is not None]
    last = [one.last_time for one in (first, then) if one.last_time is not None]
    return replace(
        then,
        **{key: getattr(first, key) + getattr(then, key) for key in ("frames", "dropped", "broken", "reconnects")},
        tracks=first.tracks + then.tracks,
        first_time=min(times, default=None),
        last_time=max(last, default=None),
        sight=then.sight or first.sight,
    )


class Summary:
    """Figures of a run, filled in step by step.

    Args:
        cameras: the cameras' names at the start; others join with their first frame.
        keep: identities that are remembered one by one; those seen longest ago are only counted beyond that.

    Attributes:
        cameras: figures per camera, in the configuration's order.
        seconds: wall time of following, from the opening of the cameras to the last frame written.
        total_seconds: the same with the final pass.
        stages: per stage, seconds and how many things it did.
        identities: identity -> cameras that saw it, the latest ones.
        adapted: when the networks' effort was changed, and to what.
        sight: the detector's answer to how closely it looks at pictures of a width and height, where it has one.
    """

    def __init__(
        self,
        cameras: Iterable[str],
        sight: Callable[[int, int], Sight] | None = None,
        *,
        keep: int = _IDENTITIES_KEPT,
    ) -> None:
        self.cameras = {camera: CameraSummary() for camera in cameras}
        self.seconds = 0.0
        self.total_seconds = 0.0
        self.stages: dict[str, dict[str, float]] = {}
        self.identities: dict[int, frozenset[str]] = {}
        self._keep = keep
        self._left = self._left_shared = 0
        self._started = time.monotonic()
        self.sight = sight
        self.adapted: deque[dict[str, Any]] = deque(maxlen=_CHANGES_KEPT)
        self._ages = np.full(_AGES_KEPT, np.nan)  # all of it now: filled bit by bit, it would grow for hours
        self._aged = 0

    def add(self, step: Iterable[FrameTracks]) -> None:
        """Count one step."""
        now = time.monotonic()
        for seen in step:
            name = seen.frame.camera
            camera = self.cameras.setdefault(name, CameraSummary())
            camera.frames += 1
            camera.last_time = seen.frame.time
            if camera.first_time is None:
                camera.first_time = seen.frame.time
                if self.sight is not None:
                    camera.sight = self.sight(*seen.frame.size)
            for identity in seen.global_ids.tolist():
                self._saw(identity, name)
            if seen.frame.arrived:
                camera.age = now - seen.frame.arrived
                self._ages[self._aged % _AGES_KEPT] = camera.age
                self._aged += 1
        while len(self.identities) > self._keep:
            self._leave(self.identities.pop(next(iter(self.identities))))

    def _saw(self, identity: int, camera: str) -> None:
        """Note that a camera saw somebody, who is now the latest of those remembered."""
        cameras = self.identities.pop(identity, frozenset())
        if camera not in cameras:
            cameras = _once(cameras | {camera})
        self.identities[identity] = cameras

    def _leave(self, cameras: frozenset[str]) -> None:
        """Count an identity that is not remembered any longer."""
        self._left += 1
        self._left_shared += len(cameras) >= 2
        for camera in cameras:
            self.cameras[camera].left += 1

    def identify(self, final: Mapping[tuple[str, int], int]) -> None:
        """Replace the provisional identities by the final ones, unless some are only counted (long runs)."""
        if self._left:
            return
        self.identities = {}
        for (camera, _), identity in final.items():
            self._saw(identity, camera)

    def adapt(self, time: float, level: int, saved: Sequence[str]) -> None:
        """Note that the networks put another effort into the pictures."""
        self.adapted.append({"time": time, "level": level, "saved": list(saved)})

    def finish(
        self,
        seconds: float,
        sources: Mapping[str, SourceStats],
        tracks: Mapping[str, int],
        perception: Perception,
        workers: Sequence[Worker[Any, Any]],
        sinks: Mapping[str, SinkStatus],
    ) -> None:
        """Take the figures of all stages when following has ended.

        Args:
            seconds: wall time so far.
            sources: what happened to each camera's frames.
            tracks: confirmed tracks of each camera.
            perception: the networks.
            workers: the stages after them.
            sinks: the receivers.
        """
        self.seconds = self.total_seconds = seconds
        self.stages = {
            **stage_times(perception, workers),
            **{f"sink {name}": {"seconds": sink.seconds, "count": sink.written} for name, sink in sinks.items()},
        }
        for name, stats in sources.items():
            camera = self.cameras.setdefault(name, CameraSummary())
            camera.dropped, camera.broken = stats.dropped, stats.broken
            camera.reconnects, camera.error, camera.warning = stats.reconnects, stats.error, stats.warning
        for name, count in tracks.items():
            self.cameras.setdefault(name, CameraSummary()).tracks = count

    @property
    def frames(self) -> int:
        """Frames of all cameras."""
        return sum(camera.frames for camera in self.cameras.values())

    @property
    def shared_identities(self) -> int:
        """Identities seen by two or more cameras."""
        return self._left_shared + sum(len(cameras) >= 2 for cameras in self.identities.values())

    @property
    def identity_count(self) -> int:
        """Identities seen."""
        return self._left + len(self.identities)

    def people(self, camera: str) -> int:
        """Identities that one camera saw."""
        return self.cameras[camera].left + sum(camera in cameras for cameras in self.identities.values())

    def rate(self, camera: str) -> float:
        """Frames per second of one camera, by wall time."""
        seconds = self.seconds or time.monotonic() - self._started
        return self.cameras[camera].frames / max(seconds, 1e-9)

    def age(self) -> dict[str, float] | None:
        """Seconds from decoding to outputs, median and 95th percentile of the last frames; None before any."""
        if not self._aged:
            return None
        p50, p95 = np.percentile(self._ages[: self._aged], [50, 95])
        return {"p50": round(float(p50), 4), "p95": round(float(p95), 4)}


@lru_cache(maxsize=4096)
def _once(cameras: frozenset[str]) -> frozenset[str]:
    """One object for each group of cameras: many people are seen by the same group."""
    return cameras


def stage_times(perception: Perception, workers: Sequence[Worker[Any, Any]]) -> dict[str, dict[str, float]]:
    """Per stage the seconds that it has worked, and how many frames, crops or steps it has done."""
    times = perception.times
    return {
        **{worker.name: {"seconds": worker.seconds, "count": worker.count} for worker in workers},
        "detect": {"seconds": times.detect, "count": times.frames},
        "crop": {"seconds": times.crop, "count": times.crops},
        "embed": {"seconds": times.embed, "count": times.crops},
    }
