"""Identity accuracy of live cameras with too little time: dropping frames alone, and adapting the effort.

Recordings are played as live against a simulated clock. A first pass at full effort measures what looking for people
costs per frame and what describing looks costs per crop on this machine. In the passes after it, networks that find
and describe the same people are charged these costs, all of them scaled so that full effort takes `need` times the
time that there is. A camera's newest frame waits, the one that it replaces is dropped, as in a live run. The figures
therefore do not depend on what else the machine does meanwhile.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from relaytrack.pipeline import build
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.identity.making import create_identity_service
from relaytrack.pipeline.perception.detectors.sizes import pixels
from relaytrack.pipeline.perception.effort import SizedDetector
from relaytrack.pipeline.perception.stage import Perception
from relaytrack.pipeline.records import Frame, FrameSet, Step
from relaytrack.pipeline.runtime.load import LoadControl, Work
from relaytrack.pipeline.sources import create_source, create_synchronizer
from relaytrack.pipeline.tracking.multi_camera import MultiCameraTracker
from relaytrack.trackers.evaluation import GroundTruth, MotRows, Scores, evaluate_global, rows_from_arrays


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds of the networks' time: per frame that is looked at, per crop, and per set of frames at full effort."""

    look: float
    crop: float
    whole: float


@dataclass(slots=True)
class Played:
    """What came of one pass.

    Attributes:
        scores: over all cameras, of all frames of the ground truth.
        shown: share of the frames that came out with boxes; looked: share in which people were looked for.
        measures: what was saved at the end; changes: how often the effort was changed.
    """

    scores: Scores
    shown: float
    looked: float
    measures: tuple[str, ...]
    changes: int


@dataclass(slots=True)
class _Lines:
    frames: list[int] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    boxes: list[list[float]] = field(default_factory=list)

    def rows(self) -> MotRows:
        return rows_from_arrays(self.frames, self.ids, np.array(self.boxes, np.float64).reshape(-1, 4))


class Playground:
    """Plays a configuration's recordings.

    Args:
        config: the cameras are files; their clocks are as configured.
        truths: by camera name.
    """

    def __init__(self, config: Config, truths: Mapping[str, GroundTruth]) -> None:
        output = config.output.model_copy(update={"store": None})  # each pass begins with nobody known
        self._config, self._truths = config.model_copy(update={"output": output}), truths
        self._costs: Costs | None = None

    def full(self) -> Played:
        """At full effort with all the time that it takes; measures the costs."""
        perception = build.create_perception(self._config)
        played, sets = self._play(perception, None, need=0.0)
        times = perception.times
        spent = times.detect + times.crop + times.embed
        self._costs = Costs(
            times.detect / max(times.frames, 1), (times.crop + times.embed) / max(times.crops, 1), spent / max(sets, 1)
        )
        return played

    def short_of_time(self, need: float, *, adapt: bool) -> Played:
        """With a `need`-th of the time that full effort takes; `full` comes first."""
        assert self._costs is not None, "full() comes first"
        perception = build.create_perception(self._config)
        if adapt:
            perception.effort = build.create_effort(perception)
        return self._play(perception, self._costs, need)[0]

    def _sets(self) -> Iterator[FrameSet]:
        config, stop = self._config, threading.Event()
        make = partial(create_source, options=config.input, run=config.run, started=time.monotonic(), stop=stop)
        synchronizer = create_synchronizer(config, [make(camera) for camera in config.cameras], stop=stop)
        synchronizer.start()
        try:
            yield from synchronizer
        finally:
            synchronizer.close()

    def _play(self, perception: Perception, costs: Costs | None, need: float) -> tuple[Played, int]:
        config = self._config
        sessions = [build.create_session(config, camera, perception.detector) for camera in config.cameras]
        multi = MultiCameraTracker(sessions, create_identity_service(config, perception.embedder))
        load = None if perception.effort is None else LoadControl(perception.effort)
        lines = {camera.name: _Lines() for camera in config.cameras}
        interval = self._interval()
        scale = 0.0 if costs is None else need * interval / costs.whole
        free = busy = looked_at = -0.0
        out = dropped = sets = changes = 0
        waiting: Sequence[Frame] | None = None

        def process(frames: Sequence[Frame], begin: float) -> float:
            """See and track one set; seconds that it takes."""
            nonlocal out
            frames_before, crops_before = perception.times.frames, perception.times.crops
            step = multi.follow(perception.perceive(frames)).step
            out += len(frames)
            _write(step, lines)
            if costs is None:
                return 0.0
            looked = perception.times.frames - frames_before
            crops = perception.times.crops - crops_before
            return scale * (looked * costs.look * _share(perception) + crops * costs.crop)

        next_look = 0.0
        for frames in self._sets():
            now = max(frame.time for frame in frames)
            sets += 1
            if waiting is not None and free <= now:
                begin = max(free, max(frame.time for frame in waiting))
                spent = process(waiting, begin)
                free, busy, waiting = begin + spent, busy + spent, None
            if waiting is not None:
                dropped += len(waiting)
            waiting = frames
            if load is not None and now >= next_look:
                next_look = now + 1.0
                changes += load.look(Work(now, out, dropped, busy))
        if waiting is not None:
            process(waiting, free)
        looked_at = perception.times.frames
        results = {name: (self._truths[name], one.rows()) for name, one in lines.items()}
        total = max(out + dropped, 1)
        names = () if perception.effort is None else perception.effort.names
        scores = evaluate_global(results)[0].scores
        return Played(scores, out / total, looked_at / total, names, changes), sets

    def _interval(self) -> float:
        """Seconds between two sets of frames."""
        rates = [camera.fps or self._truths[camera.name].frame_rate or 25.0 for camera in self._config.cameras]
        return 1.0 / max(rates)


def _share(perception: Perception) -> float:
    """The factor by which the work per frame is smaller at the present input size."""
    effort, detector = perception.effort, perception.detector
    if effort is None or not isinstance(detector, SizedDetector):
        return 1.0
    side = effort.measures[effort.level].side
    return 1.0 if side is None else min(1.0, pixels(side) / pixels(detector.largest_side()))


def _write(step: Step, lines: Mapping[str, _Lines]) -> None:
    for tracks in step:
        surest = np.argsort(-tracks.scores, kind="stable")  # of two boxes with one number the surer one counts
        _, first = np.unique(tracks.global_ids[surest], return_index=True)
        tracks = tracks.pick(np.sort(surest[first]))
        origin = np.array([*tracks.frame.roi_origin, *tracks.frame.roi_origin], np.float32)
        one = lines[tracks.frame.camera]
        one.frames += [tracks.frame.index] * len(tracks)
        one.ids += tracks.global_ids.tolist()
        one.boxes += (tracks.xyxy + origin).tolist()
