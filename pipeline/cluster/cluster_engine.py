"""The engine of a site whose cameras the machines of a Ray cluster follow; `relaytrack serve` works with it."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from relaytrack.pipeline.cluster.crew import absolute
from relaytrack.pipeline.cluster.far_cameras import FarCameras, check_live
from relaytrack.pipeline.cluster.far_live import FarLive
from relaytrack.pipeline.cluster.far_people import FarCorrector, FarPeople
from relaytrack.pipeline.cluster.far_recordings import Answers, FarRecordings, Question
from relaytrack.pipeline.cluster.head_watch import HeadWatch, StoppedError
from relaytrack.pipeline.cluster.ray_start import join_cluster
from relaytrack.pipeline.cluster.site_run import SiteRun
from relaytrack.pipeline.cluster.site_snapshot import site_snapshot
from relaytrack.pipeline.cluster.site_steps import SiteSteps
from relaytrack.pipeline.config.loading import anchor
from relaytrack.pipeline.config.schema import CameraConfig, Config
from relaytrack.pipeline.config.urls import one_line
from relaytrack.pipeline.engine.camera_commands import CameraCommands
from relaytrack.pipeline.engine.lifecycle import RunLifecycle
from relaytrack.pipeline.engine.live_settings import with_keys
from relaytrack.pipeline.errors import ConfigError
from relaytrack.pipeline.events.known_tracks import EarlierTrack
from relaytrack.pipeline.identity.network_mark import mark_of, same_network
from relaytrack.pipeline.palette import IdentityColors
from relaytrack.pipeline.perception.stage import Perception
from relaytrack.pipeline.preflight import preflight
from relaytrack.pipeline.runtime.heap import short_collections
from relaytrack.pipeline.runtime.sink_host import SinkHost
from relaytrack.pipeline.runtime.snapshot import RunState, Snapshot
from relaytrack.pipeline.runtime.summary import Summary
from relaytrack.pipeline.share.starting import begin_share, check_share
from relaytrack.pipeline.sinks.base import Sink

LOG = logging.getLogger("relaytrack.cluster")
_PATIENCE = 5.0  # seconds that a sink gets to end
_CLOSE = 0.5  # seconds that sinks get when the start has failed


class ClusterEngine(CameraCommands, RunLifecycle):
    """Does for the server what `engine.Pipeline` does within one process.

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
        super().__init__("cluster-site")
        self.config = absolute(anchor(config, Path.cwd()), Path.cwd())
        for camera in self.config.cameras:
            check_live(camera, self.config)
        self.on_networks: Callable[[Perception], object] | None = None
        self.on_mark: Callable[[bytes | None], object] | None = None
        self.earlier: Sequence[EarlierTrack] = ()
        self.corrections = FarPeople()
        self._address, self._sinks, self._live = address, tuple(sinks), live
        recordings.recording, recordings.ask = self.config.output.dir is not None, self._ask_machines
        self._zero = time.time()
        self._host = SinkHost(when_full="drop_oldest", stop=self._stop, patience=_PATIENCE)
        self._steps = SiteSteps(self._host, self._zero)
        self._head: HeadWatch | None = None
        self._run: SiteRun | None = None

    @property
    def summary(self) -> Summary:
        """What was seen so far."""
        return self._steps.summary

    @property
    def cameras(self) -> tuple[CameraConfig, ...]:
        """The settings of the present cameras."""
        return self.config.cameras if self._run is None else self._run.crew.config.cameras

    @property
    def colors(self) -> IdentityColors:
        """The identities' colours."""
        return self._steps.colors

    def corrector(self) -> FarCorrector:
        """Carries out what operators say of people.

        Raises:
            ConfigError: the run is not on its way.
        """
        self._running("people can be corrected")
        return FarCorrector(self.corrections, self._steps.forget, self._ask_machines)

    def networks(self) -> Perception | None:
        """Load the networks on this machine; only the search by picture needs them here.

        Raises:
            ConfigError: the weights here are others than those of the machines that follow the cameras.
        """
        from relaytrack.pipeline.build import create_perception

        found = create_perception(self.config.model_copy(update={"cameras": ()}))
        if self._run is not None and not same_network(self._run.network, mark_of(found.embedder)):
            raise ConfigError(
                "embedder.weights: those on this machine are others than where the cameras are followed, so that "
                "people cannot be searched by a picture"
            )
        return found

    def change_settings(self, wanted: Config, keys: Collection[str]) -> None:
        """Take up other settings; see `Pipeline.change_settings`. Those of the association wait for the next start.

        Raises:
            ConfigError: one of them cannot change now, or the run is not on its way.
            TrackerError: the values make no sense together.
        """
        run = self._running("settings can be changed")
        late = sorted(key for key in keys if key.startswith("identities."))
        if late:
            raise ConfigError(f"{late[0]}: on a cluster it holds after the next start")
        run.change_settings(wanted, keys)
        self.config = with_keys(self.config, wanted, keys)

    def _present_cameras(self) -> FarCameras:
        return self._running("cameras can be added, changed and removed").cameras

    def _ask_machines(self, question: Question, *words: Any, **how: Any) -> Answers:
        """See `ProgramCalls.ask_machines`; nobody answers before the start and after the end."""
        if self._run is None or self._state != "running":
            return []
        return self._run.calls.ask_machines(question, *words, **how)

    def _running(self, what: str) -> SiteRun:
        """The run on its way; see `_check_running`."""
        self._check_running(what)
        assert self._run is not None, "the run is on its way"
        return self._run

    def _prepare(self) -> bool:
        preflight(self.config, output=False, cameras=())
        check_share(self.config)
        self._steps = SiteSteps(self._host, self._zero, (track.identity for track in self.earlier))
        ray = join_cluster(self._address)
        self.config = begin_share(self.config)
        self._head = HeadWatch(ray.get_runtime_context().gcs_address)
        run = self._run = SiteRun(
            ray,
            self.config,
            self._zero,
            steps=self._steps,
            host=self._host,
            live=self._live,
            people=self.corrections,
        )
        try:
            self._head.following(lambda: run.begin(self._sinks), self._stop)
        except StoppedError:
            return False
        self.config = run.config
        if self.on_mark is not None:
            self.on_mark(run.network)
        self.corrections.tell = run.calls.tell
        return True

    def _carry_out(self) -> None:
        run, head = self._run, self._head
        assert run is not None, "the run is prepared"
        assert head is not None, "the cluster was joined"
        try:
            with short_collections():
                head.following(lambda: run.follow(self._stop))
        except BaseException as error:
            LOG.error("%s", one_line(error))
            raise

    def _leave(self) -> None:
        if self._run is not None and self._head is not None:
            self._run.leave(self._head)
        else:
            with contextlib.suppress(Exception):
                self._host.close(_CLOSE)
        if self._head is not None:
            self._head.close()

    def _snapshot(self, state: RunState, error: str | None) -> Snapshot:
        run = self._run
        sinks = self._host.status()
        if run is not None:
            sinks |= run.pullers.status()
        return site_snapshot(
            state,
            error,
            self._zero,
            cameras=[camera.name for camera in self.cameras],
            members=() if run is None else list(run.crew.members),
            steps=self._steps,
            sinks=sinks,
            desk=None if run is None else run.desk,
        )
