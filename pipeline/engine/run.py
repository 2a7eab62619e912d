"""A run on its way: takes all frames through all stages, then brings the outputs to their final state."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

from relaytrack.pipeline.config.ground import ground_planes
from relaytrack.pipeline.config.schema import CameraConfig
from relaytrack.pipeline.engine.parts import RunParts
from relaytrack.pipeline.engine.progress import Progress
from relaytrack.pipeline.engine.track_stages import track_workers
from relaytrack.pipeline.errors import OutputError, SourceError
from relaytrack.pipeline.events.schema import Event
from relaytrack.pipeline.postprocess.finalize import finalize, regroup
from relaytrack.pipeline.records import Step
from relaytrack.pipeline.render.places import places_of
from relaytrack.pipeline.report import write_report
from relaytrack.pipeline.report.page import NAME as REPORT
from relaytrack.pipeline.results.folder import mark_cameras
from relaytrack.pipeline.runtime.correcting import Corrector
from relaytrack.pipeline.runtime.health import HealthWatch
from relaytrack.pipeline.runtime.load import LoadControl
from relaytrack.pipeline.runtime.snapshot import Present, RunState, Snapshot
from relaytrack.pipeline.runtime.stage_thread import Worker
from relaytrack.pipeline.runtime.summary import Summary, stage_times
from relaytrack.pipeline.tracking.multi_camera import RawStep


class Run:
    """Carries out one run with parts that are ready.

    Args:
        parts: the stages and the folder.
        summary: filled in step by step.
        stop: set when the run is to end.
        progress: told how the run goes; None for silence.
        status: the run at present, as the caller sees it.
    """

    def __init__(
        self,
        parts: RunParts,
        summary: Summary,
        *,
        stop: threading.Event,
        progress: Progress | None,
        status: Callable[[], Snapshot],
    ) -> None:
        self.parts = parts
        self.summary = summary
        self._stop = stop
        self._progress = progress
        self._status = status
        self._present = Present()
        self._workers: tuple[Worker[Any, Any], ...] = ()
        self._handing_on = threading.Lock()  # held while a step or news of a camera goes to the sinks
        parts.cameras.on_change = self._camera_news
        self.corrector = Corrector(
            parts.own.corrections,
            parts.host,
            self._handing_on,
            parts.folder,
            zero=parts.clock.zero,
            now=lambda: self._present.time or parts.clock.now(),
            report=self._report_anew,
            forget=parts.multi.forget,
        )
        self._health: HealthWatch | None = None
        if parts.live:
            tell = self._tell if parts.config.events.enabled else None
            effort = parts.perception.effort
            self._health = HealthWatch(
                self._look,
                parts.clock.now,
                tell,
                parts.folder,
                load=None if effort is None else LoadControl(effort, parts.perception.streams),
                busy=lambda: next((worker.seconds for worker in self._workers), 0.0),
                adapted=summary.adapt,
            )

    def follow(self) -> None:
        """Take all frames through all stages, and close the sinks.

        Raises:
            RelayTrackError: what ended a stage or a sink.
        """
        parts, started = self.parts, time.monotonic()
        synchronizer, perception, multi = parts.cameras.synchronizer, parts.perception, parts.multi
        see = Worker(
            "networks", perception.perceive_in_turn, enumerate(synchronizer), depth=2, threads=perception.streams
        )
        follow = track_workers(multi, see)
        write = Worker("write", self._hand_on, follow[-1])
        self._workers = workers = (see, *follow, write)
        if self._progress:
            self._progress.start("follow")
        if self._health is not None:
            self._health.start()
        if parts.live:
            self.corrector.start()
        try:
            for worker in workers:
                worker.start()
            for step in write:
                self.summary.add(step)
                if self._progress:
                    self._progress.step(self.summary, synchronizer.depth())
            last = multi.finish()
            if last is not None:
                self._hand_on(last)
        except BaseException:
            self._stop.set()
            raise
        finally:
            for worker in workers:
                worker.abandon()
            if self._health is not None:
                self._health.close()
            self.corrector.close()
            try:
                parts.host.close()
            finally:
                for worker in workers:
                    worker.join(1.0)
                seconds = time.monotonic() - started
                stats, tracks = parts.cameras.counts()
                self.summary.finish(seconds, stats, tracks, perception, (*follow, write), parts.host.status())
                if parts.info is not None:
                    parts.info.update(self.summary, final=False)

    def finish(self) -> None:
        """Bring the outputs to their final identities, where that is possible.

        Raises:
            OutputError: a file cannot be written; what could be written is.
            SourceError: a video cannot be drawn anew; all else is done.
        """
        parts, started = self.parts, time.monotonic()
        config, registry = parts.config, parts.cameras
        registry.synchronizer.close()
        again = not parts.own.sources or not config.output.video  # videos are drawn anew from the sources
        complete = not self._stop.is_set() and not parts.live and again and not registry.changed
        identities = parts.multi.identities.final_identities()
        failure: SourceError | OutputError | None = None
        self.summary.identify(identities)
        if parts.folder is None:
            return
        if complete:
            if self._progress:
                self._progress.start("finalize", 1.0)
            try:
                complete = finalize(config, identities, registry.earlier(), progress=self._advance, stop=self._stop)
            except (SourceError, OutputError) as error:  # hours of work are not lost with the videos
                complete, failure = False, error
        try:
            if not complete:  # at least the list of people has what was known at the end
                regroup(parts.folder, identities)
            self.summary.total_seconds = self.summary.seconds + time.monotonic() - started
            if parts.info is not None:
                parts.info.update(self.summary, final=complete)
            if config.output.report:
                write_report(parts.folder, ground_planes(config))
        except OutputError as error:
            raise failure or error from None
        if failure is not None:
            raise type(failure)(f"{failure}; the list of people and the report are final, videos and global/ are not")

    def tell_end(self) -> None:
        """Say in `status.json` how the run ended."""
        if self._health is not None:
            self._health.tell_end()

    def _report_anew(self) -> None:
        folder = self.parts.folder
        if folder is not None and (folder / REPORT).exists():
            write_report(folder, ground_planes(self.parts.config))

    def snapshot(self, state: RunState, error: str | None) -> Snapshot:
        """The run at present."""
        parts = self.parts
        cameras = {name: self._present.camera(name, *parts.cameras.status(name)) for name in parts.cameras.names()}
        return Snapshot(
            state=state,
            error=error,
            time=self._present.time,
            zero=parts.clock.zero,
            cameras=cameras,
            present=self._present.identities(cameras),
            identities=self.summary.identity_count,
            sinks=parts.host.status(),
            service=parts.multi.identities.status(),
            stages=stage_times(parts.perception, self._workers),
            zones=parts.multi.counts(),
            ahead=parts.clock.ahead(),
        )

    def _hand_on(self, raw_step: RawStep) -> Step:
        """Give a step to every sink, without frames of cameras that have left."""
        with self._handing_on:
            step = self.corrector.shown(raw_step.step)
            if self.parts.cameras.changed:
                known = self.parts.cameras.names()
                kept = tuple(tracks for tracks in step if tracks.frame.camera in known)
                if len(kept) < len(step):
                    step = replace(step, tracks=kept)
            self._present.update(step)
            self.parts.host.put(step, raw_step.raw)
        return step

    def _look(self) -> Snapshot:
        """The run at present, also noted for the progress line."""
        snapshot = self._status()
        for name, camera in snapshot.cameras.items():
            if name in self.summary.cameras:
                self.summary.cameras[name].dropped = camera.dropped
        return snapshot

    def _tell(self, events: Sequence[Event]) -> None:
        """Give events that belong to no frame to every sink."""
        with self._handing_on:
            self.parts.host.put(Step(self._present.time or 0.0, events=tuple(events)))

    def _camera_news(self, kind: Literal["added", "removed"], camera: CameraConfig) -> None:
        """Tell the sinks of a camera, in order with the steps."""
        parts = self.parts
        with self._handing_on:
            parts.places.pop(camera.name, None)
            if kind == "added":
                if parts.folder is not None:
                    mark_cameras(parts.folder, [camera.name])
                parts.places.update(places_of(parts.config, [camera]))
                parts.host.camera_added(camera)
            else:
                self._present.forget(camera.name)
                parts.pictures.forget(camera.name)
                parts.perception.forget(camera.name)
                parts.host.camera_removed(camera.name)

    def _advance(self, done: float) -> None:
        if self._progress:
            self._progress.advance(done)
