"""The engine: joins the stages, and carries a run out on threads of its own.

    cameras -> FrameSynchronizer -> Perception (detect, embed) -> MultiCameraTracker -> SinkHost -> sinks

Each arrow is a bounded queue and each stage has its own thread (the networks of a recording several), so decoding,
the networks, tracking and drawing run side by side; every sink has a thread of its own.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Literal, Protocol

from relaytrack.pipeline import build, plugins
from relaytrack.pipeline.clock import RunClock
from relaytrack.pipeline.config.ground import ground_planes
from relaytrack.pipeline.config.schema import DETECTORS, CameraConfig, Config, as_camera
from relaytrack.pipeline.config.urls import redact_url
from relaytrack.pipeline.errors import ConfigError, RelayTrackError
from relaytrack.pipeline.events.schema import Event
from relaytrack.pipeline.events.watch import EventWatch
from relaytrack.pipeline.identity.service import IdentityService
from relaytrack.pipeline.perception.detectors.base import Detector
from relaytrack.pipeline.perception.stage import CropEmbedder, Perception
from relaytrack.pipeline.postprocess.finalize import finalize, regroup
from relaytrack.pipeline.preflight import preflight
from relaytrack.pipeline.records import Observation, Step
from relaytrack.pipeline.render.palette import IdentityColors
from relaytrack.pipeline.render.places import places_of
from relaytrack.pipeline.report import write_report
from relaytrack.pipeline.results.earlier_starts import find_earlier_start, with_store
from relaytrack.pipeline.results.folder import mark_cameras, prepare_output
from relaytrack.pipeline.results.identities import stored_colors
from relaytrack.pipeline.results.run_info import RunInfo
from relaytrack.pipeline.runtime.cameras import CameraDesk
from relaytrack.pipeline.runtime.health import HealthWatch
from relaytrack.pipeline.runtime.sink_host import SinkHost
from relaytrack.pipeline.runtime.snapshot import CameraStatus, Present, RunState, Snapshot
from relaytrack.pipeline.runtime.stage_thread import Worker
from relaytrack.pipeline.runtime.step_queue import StepQueue
from relaytrack.pipeline.runtime.summary import Summary, stage_times
from relaytrack.pipeline.sinks import create_sinks
from relaytrack.pipeline.sinks.base import Sink
from relaytrack.pipeline.sources import is_live
from relaytrack.pipeline.sources.base import Source
from relaytrack.pipeline.sources.synchroniser import FrameSynchronizer
from relaytrack.pipeline.tracking.multi_camera import Moment, MultiCameraTracker
from relaytrack.pipeline.tracking.tracker import Tracker

LOG = logging.getLogger("relaytrack.engine")
_PATIENCE = 5.0  # seconds that a sink gets to end when the run is told to stop

TrackerFactory = Callable[[CameraConfig], Tracker]
"""Makes a fresh tracker for a camera."""
Until = Literal["sources_end", "stopped"]
"""When a run ends by itself: with its last source, or never before `stop()`."""


class Progress(Protocol):
    """Watches a run; see `relaytrack.pipeline.cli.progress`."""

    def start(self, phase: str, total: float | None = None) -> None:
        """A phase begins: "follow" (total unknown) or "finalize" (total = 1)."""

    def step(self, summary: Summary, waiting: Mapping[str, int]) -> None:
        """One moment of all cameras went through."""

    def advance(self, done: float) -> None:
        """The share of the phase that is done, 0..1."""

    def stop(self) -> None:
        """The run is over."""


class Pipeline:
    """Runs a configuration from cameras to outputs.

    `run()` does it all. A program that wants more uses `start()`, `steps()`, `status()`, `stop()` and `join()`, and
    adds, changes, pauses and removes cameras while the run goes on. Every part can be given as an instance; what is
    not given is built from the configuration.

    Args:
        config: a checked configuration (`load_config`). `output.dir: null` leaves no files.
        progress: told how the run goes; None for silence.
        sinks: further receivers of every step, besides those of the configuration. They get pictures if they declare
            so (`sinks.base.Sink`), after people were hidden in them. One that fails is left out; the run goes on.
        sources: cameras of one's own; a camera of that name in the configuration gives its zones, floor and so on.
        detector: finds people, instead of the configured one.
        embedder: describes people, instead of the configured one.
        tracker: makes each camera's tracker, instead of `DeepSort`; given the detector's own scores.
        identities: the identity service, instead of the one in this process.
        until: "sources_end" ends with the last source; "stopped" goes on until `stop()`, also without any camera.
        clock: the run's clock, where several hosts share one.

    Example:
        >>> from relaytrack import Pipeline, load_config
        >>> summary = Pipeline(load_config("configs/demo.yaml")).run()  # doctest: +SKIP
    """

    def __init__(
        self,
        config: Config,
        *,
        progress: Progress | None = None,
        sinks: Sequence[Sink] = (),
        sources: Sequence[Source] = (),
        detector: Detector | None = None,
        embedder: CropEmbedder | None = None,
        tracker: TrackerFactory | None = None,
        identities: IdentityService | None = None,
        until: Until = "sources_end",
        clock: RunClock | None = None,
    ) -> None:
        given = {source.name: source for source in sources}
        if len(given) != len(sources):
            raise ConfigError("two of the sources have one name")
        unknown = [name for name in given if name not in {camera.name for camera in config.cameras}]
        added = tuple(CameraConfig(url=f"own:{name}", name=name, live=given[name].live) for name in unknown)
        config = config.model_copy(update={"cameras": (*config.cameras, *added)}) if added else config
        if not config.cameras and until == "sources_end":
            raise ConfigError("no cameras: name at least one (cameras: in the configuration, or --source)")
        self.config = config
        self.on_networks: Callable[[Perception], object] | None = None
        self.colors = IdentityColors()
        self.wrap_identities: Callable[[IdentityService], IdentityService] | None = None
        self._progress = progress
        self._extra_sinks = list(sinks)
        self._given = given
        self._detector, self._embedder = detector, embedder
        self._tracker, self._identities = tracker, identities
        self._until = until
        self._clock = clock
        self._stop = threading.Event()
        self._starting = threading.Lock()
        self._handing_on = threading.Lock()  # held while a step or news of a camera goes to the sinks
        self._state: RunState = "new"
        self._failure: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._closing = ExitStack()
        self._present = Present()
        self._health: HealthWatch | None = None
        self._workers: tuple[Worker[Any, Any], ...] = ()
        self._ready = False  # all stages are there
        self.summary = Summary([camera.name for camera in config.cameras])
        self._live = until == "stopped" or any(
            given[camera.name].live if camera.name in given else is_live(camera, config.run)
            for camera in config.cameras
        )
        self._host = SinkHost(
            when_full="drop_oldest" if self._live else "block",
            on_error="disable",
            stop=self._stop,
            patience=_PATIENCE,
        )

    # running

    def run(self) -> Summary:
        """Run to the end of all files, to `run.max_seconds` or until `stop()`.

        Returns:
            What was seen and how long it took.

        Raises:
            RelayTrackError: anything a user can cause; everything written before stays readable.
            TrackerError: from the tracker or the association.
            ReidError: from the embedder.
        """
        self.start()
        try:
            return self.join()
        except BaseException:
            self.stop()
            if self._thread is not None:
                self._thread.join(5.0)
            raise

    def start(self) -> Pipeline:
        """Load the networks, open the cameras and begin; a second call does nothing.

        Raises:
            RelayTrackError: a setting, a camera, a network or the output folder is of no use.
            TrackerError: a setting of the tracker or the association makes no sense.
            ReidError: from the embedder.
        """
        with self._starting:
            if self._state != "new":
                return self
            self._state = "starting"
            try:
                self._prepare()
            except BaseException as error:
                self._fail(error)
                self._closing.close()
                with suppress(Exception):
                    self._host.close(1.0)
                raise
            self._state = "running"
            self._thread = threading.Thread(target=self._main, name="engine", daemon=True)
            self._thread.start()
        return self

    def stop(self) -> None:
        """End the run soon and cleanly: what was written stays complete. Safe from any thread or signal."""
        self._stop.set()

    def join(self, timeout: float | None = None) -> Summary:
        """Wait for the end of the run, its final pass included, and return its summary.

        Args:
            timeout: seconds to wait at the most.

        Raises:
            TimeoutError: the run goes on.
            RelayTrackError: what ended the run, as in `run`.
        """
        if self._thread is None:
            raise ConfigError("the run has not been started")
        self._thread.join(timeout)
        if self._thread.is_alive():
            raise TimeoutError(f"the run goes on after {timeout:g} s")
        if self._failure is not None:
            raise self._failure
        return self.summary

    def steps(
        self, *, pixels: bool = False, drawn: bool = False, when_full: Literal["block", "drop_oldest"] | None = None
    ) -> Iterator[Step]:
        """Go through the run step by step; starts it if need be. Several may do so side by side, each gets all.

        Leaving the loop early stops a run that this call has started.

        Args:
            pixels: steps come with `images`.
            drawn: steps come with `drawn`.
            when_full: what happens while the caller is busy and the queue is full: "block" makes the run wait (the
                default for recordings), "drop_oldest" drops (the default for live cameras).

        Raises:
            RelayTrackError: what ended the run, as in `run`.
        """
        queue = StepQueue(pixels=pixels, drawn=drawn)
        name = self.add_sink(queue, name="steps", when_full=when_full)
        ours, whole = self._state == "new", False
        try:
            self.start()
            yield from queue
            whole = True
        finally:
            queue.leave()
            if not ours:
                self._host.remove(name)
            elif self._thread is not None:
                if not whole:
                    self.stop()
                self._thread.join()
        if self._failure is not None:
            raise self._failure

    def add_sink(self, sink: Sink, *, name: str | None = None, when_full: Any = None, on_error: Any = None) -> str:
        """Take up a further receiver, before the run or while it goes on; returns its unique name."""
        return self._host.add(sink, name=name, when_full=when_full, on_error=on_error)

    def remove_sink(self, name: str) -> None:
        """Let a receiver write what waits for it, close it and forget it."""
        self._host.remove(name)

    # cameras

    def add_camera(self, camera: CameraConfig | Mapping[str, Any] | str, *, source: Source | None = None) -> str:
        """Take up a camera while the run goes on; it opens beside the others, and a live one is sought until found.

        Args:
            camera: its settings, or its address alone.
            source: hands out its frames; None opens its address.

        Returns:
            The camera's name.

        Raises:
            ConfigError: a setting makes no sense, there is a camera of that name, or the run is not on its way.
        """
        settings = camera if isinstance(camera, CameraConfig) else CameraConfig.model_validate(as_camera(camera))
        return self._desk_now().add(settings, source)

    def change_camera(self, camera: CameraConfig) -> None:
        """Give the camera of this name other settings; only what they concern begins anew.

        Raises:
            ConfigError: as `add_camera`, or there is no camera of that name.
        """
        self._desk_now().change(camera)

    def pause_camera(self, name: str) -> None:
        """Take no frames of a camera until `resume_camera`.

        Raises:
            ConfigError: there is no such camera.
        """
        self._desk_now().pause(name)

    def resume_camera(self, name: str) -> None:
        """Take a camera's frames again; its people keep their track ids.

        Raises:
            ConfigError: there is no such camera.
        """
        self._desk_now().resume(name)

    def remove_camera(self, name: str) -> None:
        """Let a camera go. The others go on undisturbed; identities stay known.

        Raises:
            ConfigError: there is no such camera.
        """
        self._desk_now().remove(name)

    @property
    def cameras(self) -> tuple[CameraConfig, ...]:
        """The settings of the present cameras."""
        return tuple(self._desk.settings()) if self._ready else self.config.cameras

    # the present

    def status(self) -> Snapshot:
        """The run at present; from any thread, at any time."""
        error = None if self._failure is None else " ".join(redact_url(str(self._failure)).split())
        if not self._ready:
            return Snapshot(self._state, error)
        state: RunState = "stopping" if self._state == "running" and self._stop.is_set() else self._state
        cameras = {name: self._camera_status(name) for name in self._desk.names()}
        return Snapshot(
            state=state,
            error=error,
            time=self._present.time,
            zero=self._run_clock.zero,
            cameras=cameras,
            present=self._present.identities(cameras),
            identities=self.summary.identity_count,
            sinks=self._host.status(),
            service=self._multi.identities.status(),
            stages=stage_times(self._perception, self._workers),
            zones=self._multi.counts(),
        )

    def _camera_status(self, name: str) -> CameraStatus:
        live, state, size, stats, waiting = self._desk.status(name)
        frames, rate, age, (p50, p95, p99) = self._present.figures(name)
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
            tracks=self._present.last(name),
            waiting=waiting,
        )

    # the inside

    def _prepare(self) -> None:
        """Build all stages and open the cameras."""
        config, live = self.config, self._live
        files = [] if self._until == "stopped" else [one.name for one in config.cameras if one.name not in self._given]
        preflight(config, output=config.output.dir is not None, cameras=files)
        self.config = config = with_store(config)
        earlier = find_earlier_start(config, live=live)
        planes = ground_planes(config)
        own = self._detector is not None or self._embedder is not None
        own |= config.detector.backend not in DETECTORS or config.embedder.name != "reid"  # perhaps for one thread only
        lanes = 1 if own and config.run.lanes is None else build.lanes_of(config, live=live)
        perception = build.create_perception(config, lanes, detector=self._detector, embedder=self._embedder)
        self._perception = perception
        self.summary.sight = getattr(perception.detector, "sight", None)
        if self.on_networks:
            self.on_networks(perception)
        if config.output.resume and config.output.dir is not None:
            prepare_output(config)  # the store of identities lies in it
        service = self._identities or build.create_identity_service(
            config, perception.embedder, planes, origin=None if earlier is None else earlier.zero
        )
        if self.wrap_identities:
            service = self.wrap_identities(service)
        self._closing.callback(service.close)
        self._run_clock = clock = self._clock or RunClock(zero=None if earlier is None else earlier.zero)
        if earlier is not None and config.run.max_seconds is not None:
            run = config.run.model_copy(update={"max_seconds": clock.now() + config.run.max_seconds})
            config = config.model_copy(update={"run": run})
        events = EventWatch((), config.events) if config.events.enabled else None
        if events is not None and earlier is not None:
            events.recall(earlier.identities)
        self._multi = MultiCameraTracker((), service, events)
        self._desk = desk = CameraDesk(
            config,
            perception.detector,
            self._multi,
            clock=clock,
            stop=self._stop,
            live=live,
            tracker=self._tracker,
            given=self._given,
            first_ids=None if earlier is None else earlier.first_ids,
        )
        for camera in config.cameras:
            desk.begin(camera)
        desk.synchronizer = FrameSynchronizer(
            desk.sources(),
            window=config.batch.window,
            max_wait=config.batch.max_wait,
            queue=config.input.queue,
            stop=self._stop,
            open_timeout=config.input.open_timeout + 1.0,
            until_stopped=self._until == "stopped",
        )
        self._closing.callback(desk.close)
        desk.synchronizer.start()
        desk.on_change = self._camera_news
        self._out: Path | None = None if config.output.dir is None else prepare_output(config)
        self._info = (
            None
            if self._out is None
            else RunInfo(self.config, self._out, perception, desk.sources(), clock.zero if live else None)
        )
        if earlier is not None:
            self.colors = stored_colors(config.output.folder)
        self._places = places_of(config)
        self._pictures = pictures = build.create_pictures(config, live=live, colors=self.colors, places=self._places)
        self._closing.callback(pictures.close)
        self._host.prepare = pictures.add
        names = [camera.name for camera in config.cameras]
        sinks = create_sinks(config, names, live=live, colors=self.colors, places=self._places) if self._out else ()
        for sink in sinks:
            self._host.add(sink, on_error=config.output.on_error)
        for wanted in config.sinks:
            sink = plugins.create_sink(wanted.name, wanted.options, folder=self._out)
            self._host.add(sink, name=wanted.name, when_full=wanted.when_full, on_error=wanted.on_error)
        for sink in self._extra_sinks:
            self._host.add(sink)
        for camera in config.cameras:
            self._host.camera_added(camera)
        if live:
            self._health = HealthWatch(self._look, clock.now, self._tell if config.events.enabled else None, self._out)
        self._ready = True

    def _main(self) -> None:
        """The run, on the engine's thread."""
        try:
            self._follow()
            self._finish()
            self._state = "ended"
        except BaseException as error:
            self._fail(error)
        finally:
            self._stop.set()
            try:
                self._closing.close()
            except Exception as error:
                self._fail(error)
            if self._progress:
                self._progress.stop()

    def _fail(self, error: BaseException) -> None:
        self._failure = self._failure or error
        self._state = "failed"

    def _follow(self) -> None:
        """Take all frames through all stages, and close the sinks."""
        desk, started = self._desk, time.monotonic()
        see = Worker("networks", self._perception.perceive, desk.synchronizer, depth=2, lanes=self._perception.lanes)
        follow: Worker[Sequence[Observation], Moment] = Worker("track", self._multi.follow, see)
        write = Worker("write", self._hand_on, follow)
        self._workers = workers = (see, follow, write)
        if self._progress:
            self._progress.start("follow")
        if self._health is not None:
            self._health.start()
        try:
            for worker in workers:
                worker.start()
            for step in write:
                self.summary.add(step)
                if self._progress:
                    self._progress.step(self.summary, desk.synchronizer.depth())
            last = self._multi.finish()
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
            try:
                self._host.close()
            finally:
                for worker in workers:
                    worker.join(1.0)
                seconds = time.monotonic() - started
                stats, tracks = desk.counts()
                self.summary.finish(seconds, stats, tracks, self._perception, (follow, write), self._host.status())
                if self._info is not None:
                    self._info.update(self.summary, final=False)

    def _finish(self) -> None:
        """Bring the outputs to their final identities, where that is possible."""
        desk, config, started = self._desk, self.config, time.monotonic()
        desk.synchronizer.close()
        again = not self._given or not config.output.video  # videos are drawn anew from the sources
        complete = not self._stop.is_set() and not self._live and again and not desk.changed
        identities = self._multi.identities.final_identities()
        self.summary.identify(identities)
        if self._out is None:
            return
        self._state = "finalizing"
        if complete:
            if self._progress:
                self._progress.start("finalize", 1.0)
            complete = finalize(config, identities, desk.earlier(), progress=self._advance, stop=self._stop)
        if not complete:  # the list, at least, says what was known at the end
            regroup(self._out, identities)
        self.summary.total_seconds = self.summary.seconds + time.monotonic() - started
        if self._info is not None:
            self._info.update(self.summary, final=complete)
        if config.output.report:
            write_report(self._out, ground_planes(config))

    def _hand_on(self, moment: Moment) -> Step:
        """Give a step to every receiver; frames of cameras that have left are passed over."""
        with self._handing_on:
            step = moment.step
            if self._desk.changed:
                known = self._desk.names()
                kept = tuple(tracks for tracks in step if tracks.frame.camera in known)
                if len(kept) < len(step):
                    step = Step(step.time, kept, step.revisions, step.events)
            self._present.update(step)
            self._host.put(step, moment.raw)
        return step

    def _look(self) -> Snapshot:
        """The run at present, also noted for the progress line."""
        snapshot = self.status()
        for name, camera in snapshot.cameras.items():
            if name in self.summary.cameras:
                self.summary.cameras[name].dropped = camera.dropped
        return snapshot

    def _tell(self, events: Sequence[Event]) -> None:
        """Give events that belong to no frame to every receiver."""
        with self._handing_on:
            self._host.put(Step(self._present.time or 0.0, events=tuple(events)))

    def _camera_news(self, kind: Literal["added", "removed"], camera: CameraConfig) -> None:
        """Tell the receivers of a camera, in order with the steps."""
        with self._handing_on:
            if kind == "added":
                if self._out is not None:
                    mark_cameras(self._out, [camera.name])
                self._places.pop(camera.name, None)
                self._places |= places_of(self.config, [camera])
                self._host.camera_added(camera)
            else:
                self._places.pop(camera.name, None)
                self._present.forget(camera.name)
                self._pictures.forget(camera.name)
                self._host.camera_removed(camera.name)

    def _advance(self, done: float) -> None:
        if self._progress:
            self._progress.advance(done)

    def _desk_now(self) -> CameraDesk:
        if self._state != "running":
            raise ConfigError(f"cameras come and go while a run is on its way; this one is {self._state!r}")
        return self._desk


__all__ = ["Pipeline", "Progress", "RelayTrackError", "TrackerFactory", "Until"]
