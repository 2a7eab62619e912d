"""The engine of a site whose cameras the machines of a Ray cluster follow; `relaytrack serve` works with it."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import threading
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from relaytrack.pipeline import plugins
from relaytrack.pipeline.cluster.crew import OVER, RECORDINGS, Crew, absolute
from relaytrack.pipeline.cluster.far_camera_commands import FarCameraCommands
from relaytrack.pipeline.cluster.far_cameras import FarCameras, check_live
from relaytrack.pipeline.cluster.far_live import FarLive
from relaytrack.pipeline.cluster.far_people import FarCorrector, FarPeople
from relaytrack.pipeline.cluster.far_recordings import Answers, FarRecordings, Question
from relaytrack.pipeline.cluster.greetings import DeskStatus
from relaytrack.pipeline.cluster.head_watch import ClusterError, HeadWatch, StoppedError
from relaytrack.pipeline.cluster.hiring import Hiring
from relaytrack.pipeline.cluster.identity_start import begin_identities, end_identities, kill_identities
from relaytrack.pipeline.cluster.moving import Mover
from relaytrack.pipeline.cluster.outbox import Message
from relaytrack.pipeline.cluster.placing import Group, groups_of
from relaytrack.pipeline.cluster.program_calls import TOLD, ProgramCalls
from relaytrack.pipeline.cluster.pulling import Pullers
from relaytrack.pipeline.cluster.ray_bus import RayBus
from relaytrack.pipeline.cluster.ray_start import join_cluster, machines
from relaytrack.pipeline.cluster.site_snapshot import site_snapshot
from relaytrack.pipeline.cluster.site_steps import SiteSteps
from relaytrack.pipeline.cluster.step_relay import STEP
from relaytrack.pipeline.config.ground import ground_planes
from relaytrack.pipeline.config.loading import anchor
from relaytrack.pipeline.config.schema import CameraConfig, Config
from relaytrack.pipeline.config.urls import one_line
from relaytrack.pipeline.engine.live_settings import with_keys
from relaytrack.pipeline.errors import ConfigError
from relaytrack.pipeline.events.known_tracks import EarlierTrack
from relaytrack.pipeline.perception.stage import Perception
from relaytrack.pipeline.preflight import preflight
from relaytrack.pipeline.render.palette import IdentityColors
from relaytrack.pipeline.runtime.sink_host import SinkHost
from relaytrack.pipeline.runtime.snapshot import RunState, Snapshot
from relaytrack.pipeline.runtime.summary import Summary
from relaytrack.pipeline.share.starting import begin_share, check_share, unused_if_it_fails
from relaytrack.pipeline.sinks.base import Sink

LOG = logging.getLogger("relaytrack.cluster")
_LOOK = 0.2  # seconds between two looks at the programs
_ASK = 1.0  # seconds between two questions to the identity service
_ENDING = 3.0  # seconds that the programs get to end
_EMPTY = 0.5  # seconds that their last steps get to arrive
_ALONE = 2.0  # seconds that they get when the head is gone
_PATIENCE = 5.0  # seconds that a sink gets to end


class ClusterEngine(FarCameraCommands):
    """See the module. It does for the server what `engine.Pipeline` does within one process.

    Args:
        config: the whole site's.
        until: "stopped": no other end is known.
        sinks: receivers of every step; steps come without pictures, with cut-out pictures of people as `crops`.
        address: "auto" or HOST:PORT of Ray.
        live: gets the live pictures; recordings: is told how to ask the machines.

    Raises:
        ConfigError: a camera is no live one.
    """

    def __init__(
        self,
        config: Config,
        *,
        until: str,
        live: FarLive,
        recordings: FarRecordings,
        sinks: Sequence[Sink] = (),
        address: str = "auto",
    ) -> None:
        assert until == "stopped", "a cluster's site has no other end"
        self.config = absolute(anchor(config, Path.cwd()), Path.cwd())
        for camera in self.config.cameras:
            check_live(camera, self.config)
        self.on_networks: Callable[[Perception], object] | None = None
        self.earlier: Sequence[EarlierTrack] = ()
        self.corrections = FarPeople()
        self._address, self._sinks, self._live = address, tuple(sinks), live
        recordings.recording, recordings.ask = self.config.output.dir is not None, self._ask_machines
        self._zero = time.time()
        self._state: RunState = "new"
        self._failure: BaseException | None = None
        self._stop = threading.Event()
        self._busy = threading.RLock()  # held while the programs are looked at or told something
        self._host = SinkHost(when_full="drop_oldest", stop=self._stop, patience=_PATIENCE)
        self._steps = SiteSteps(self._host, self._zero)
        self._pullers: Pullers | None = None
        self._desk: DeskStatus | None = None
        self._ray: Any = None
        self._head: HeadWatch | None = None
        self._crew: Crew | None = None
        self._thread = threading.Thread(target=self._main, name="cluster-site", daemon=True)

    # what the server asks

    def start(self) -> ClusterEngine:
        """Join the cluster, start programs on its machines and let them follow the cameras.

        Raises:
            ClusterError: the cluster cannot be joined, does not fit, or was lost.
            RelayTrackError: a setting is of no use.
        """
        if self._state != "new":
            return self
        self._state = "starting"
        try:
            preflight(self.config, output=False, cameras=())
            check_share(self.config)
            self._steps = SiteSteps(self._host, self._zero, (track.identity for track in self.earlier))
            self._ray = join_cluster(self._address)
            self.config = begin_share(self.config)
            self._head = HeadWatch(self._ray.get_runtime_context().gcs_address)
            self._head.following(self._begin, self._stop)
        except StoppedError:
            self._state = "ended"
            self._leave()
            return self
        except BaseException as error:
            self._fail(error)
            self._leave()
            raise
        self.corrections.tell = self._calls.tell
        self._state = "running"
        self._thread.start()
        return self

    def stop(self) -> None:
        """End soon and cleanly; from any thread or signal."""
        self._stop.set()

    def join(self, timeout: float | None = None) -> Summary:
        """Wait for the end.

        Raises:
            ConfigError: it was not started.
            TimeoutError: it goes on.
            ClusterError: what ended it.
        """
        if self._thread.ident is None:
            if self._state in ("ended", "failed"):  # stopped while it started, or `start` has said why
                return self._steps.summary
            raise ConfigError("the run has not been started")
        self._thread.join(timeout)
        if self._thread.is_alive():
            raise TimeoutError(f"the run goes on after {timeout:g} s")
        if self._failure is not None:
            raise self._failure
        return self._steps.summary

    def status(self) -> Snapshot:
        """The run at present; from any thread."""
        error = None if self._failure is None else one_line(self._failure)
        state: RunState = "stopping" if self._state == "running" and self._stop.is_set() else self._state
        crew = self._crew
        sinks = self._host.status()
        if self._pullers is not None:
            sinks |= self._pullers.status()
        return site_snapshot(
            state,
            error,
            self._zero,
            cameras=[camera.name for camera in self.cameras],
            members=() if crew is None else list(crew.members),
            steps=self._steps,
            sinks=sinks,
            desk=self._desk,
        )

    @property
    def cameras(self) -> tuple[CameraConfig, ...]:
        """The settings of the present cameras."""
        return self.config.cameras if self._crew is None else self._crew.config.cameras

    @property
    def colors(self) -> IdentityColors:
        """The identities' colours."""
        return self._steps.colors

    def corrector(self) -> FarCorrector:
        """Carries out what operators say of people.

        Raises:
            ConfigError: the run is not on its way.
        """
        self._running()
        return FarCorrector(self.corrections, self._steps.forget, self._ask_machines)

    def networks(self) -> Perception | None:
        """Load the networks on this machine; only the search by picture needs them here."""
        from relaytrack.pipeline.build import create_perception

        return create_perception(self.config.model_copy(update={"cameras": ()}))

    def change_settings(self, wanted: Config, keys: Collection[str]) -> None:
        """Take up other settings; see `Pipeline.change_settings`. Those of the association wait for the next start.

        Raises:
            ConfigError: one of them cannot change now, or the run is not on its way.
            TrackerError: the values make no sense together.
        """
        crew = self._running()
        late = sorted(key for key in keys if key.startswith("identities."))
        if late:
            raise ConfigError(f"{late[0]}: on a cluster it holds after the next start")
        self._calls.tell("change_settings", wanted.model_dump_json(), sorted(keys), timeout=TOLD)
        with self._busy:
            crew.config = with_keys(crew.config, wanted, keys)
            self.config = with_keys(self.config, wanted, keys)

    def _ask_machines(self, question: Question, *words: Any, **how: Any) -> Answers:
        """See `ProgramCalls.ask_machines`; nobody answers before the start and after the end."""
        return self._calls.ask_machines(question, *words, **how) if self._state == "running" else []

    def _far_cameras(self) -> FarCameras:
        self._running()
        return self._cameras

    def _running(self) -> Crew:
        if self._crew is None or self._state != "running":
            raise ConfigError(f"this can be done only while the run goes on; it is {self._state!r}")
        return self._crew

    # the run

    def _begin(self) -> None:
        """The first programs, the identity service, the sinks."""
        ray, config = self._ray, self.config
        hiring = Hiring(ray, config)
        crew = Crew(ray, config, hiring, self._zero, self.corrections.said)
        programs = config.cluster.nodes or len(machines(ray))
        groups = groups_of(config.cameras, programs, config.cluster.bind)
        groups += [Group("") for _ in range(programs - len(groups))]  # for cameras that are added
        self._crew = crew
        self._calls = ProgramCalls(ray, crew, self._busy, str(Path(config.cluster.dir) / RECORDINGS))
        self._cameras = FarCameras(ray, crew, self._busy, self._steps, self._host)
        with unused_if_it_fails(config):
            threshold = crew.hire(groups)
        if config.identities.threshold is None:
            named = dataclasses.replace(config.identities, threshold=threshold)
            self.config = config.model_copy(update={"identities": named})
        self._desk = begin_identities(ray, config, threshold, self._zero)
        for name, plane in ground_planes(config).items():
            RayBus().ask("calibrate", name, plane, timeout=TOLD)
        for wanted in config.sinks:
            sink = plugins.create_sink(wanted.name, wanted.options, folder=None)
            self._host.add(sink, name=wanted.name, when_full=wanted.when_full, on_error=wanted.on_error)
        for sink in self._sinks:
            self._host.add(sink)
        self._steps.expect(camera.name for camera in config.cameras)
        for camera in config.cameras:
            self._host.camera_added(camera)
        self._mover = Mover(ray, config, crew, hiring, threshold)
        self._pullers = Pullers(ray, self._take, self._live.wanted)
        self._pullers.follow(crew.members)
        crew.begin(groups)
        LOG.info("%d cameras on %d programs", len(config.cameras), len(groups))

    def _take(self, message: Message) -> None:
        kind, data = message
        if kind == STEP:
            self._steps.take(data)
        else:
            self._live.take(message)

    def _main(self) -> None:
        assert self._head is not None, "the cluster was joined"
        try:
            self._head.following(self._follow)
            self._state = "ended"
        except BaseException as error:
            self._fail(error)
            LOG.error("%s", one_line(error))
        finally:
            self._stop.set()
            self._leave()

    def _follow(self) -> None:
        """Look after the programs until the end."""
        assert self._crew is not None, "the run has begun"
        assert self._pullers is not None, "the run has begun"
        bus, due = RayBus(), 0.0
        while not self._stop.is_set():
            with self._busy:
                nodes = self._crew.watch()
                failed = next((one for one in nodes if one.state == "failed"), None)
                if failed is not None:
                    raise ClusterError(failed.error or f"{failed.node} failed")
                self._mover.look(time.monotonic())
                self._pullers.follow(self._crew.members)
            if time.monotonic() >= due:
                due = time.monotonic() + _ASK
                with contextlib.suppress(Exception):  # it starts again by itself
                    self._desk = bus.ask("status", timeout=2.0)
            self._stop.wait(_LOOK)
        self._end(self._crew)

    def _end(self, crew: Crew) -> None:
        """Let the programs complete their files, and take their last steps."""
        until = time.monotonic() + _ENDING
        with self._busy:
            crew.stop()
            while time.monotonic() < until and not all(one.state in OVER for one in crew.watch()):
                time.sleep(0.05)
            if self._pullers is not None:
                self._pullers.drain(_EMPTY)
        self._host.close(_EMPTY)
        with contextlib.suppress(Exception):
            end_identities(self._ray)

    def _leave(self) -> None:
        """End everything that goes on."""
        if self._pullers is not None:
            self._pullers.close()
        with contextlib.suppress(Exception):
            self._host.close(_EMPTY)
        if self._head is None:
            return
        if self._head.gone:
            if self._crew is not None:
                self._crew.end_without_head(_ALONE)
        else:
            if self._crew is not None:
                self._crew.dismiss()
            kill_identities(self._ray)
        self._head.close()

    def _fail(self, error: BaseException) -> None:
        self._failure = self._failure or error
        self._state = "failed"
