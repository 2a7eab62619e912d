"""A run on a cluster, seen from the machine that started it."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from pathlib import Path
from typing import Any

from relaytrack.pipeline.cluster.crew import OVER, Crew, absolute
from relaytrack.pipeline.cluster.gather import gather
from relaytrack.pipeline.cluster.greetings import DeskStatus
from relaytrack.pipeline.cluster.head_watch import ClusterError, HeadWatch
from relaytrack.pipeline.cluster.identity_start import end_identities
from relaytrack.pipeline.cluster.moving import Mover
from relaytrack.pipeline.cluster.ray_bus import RayBus
from relaytrack.pipeline.cluster.ray_start import join_cluster
from relaytrack.pipeline.cluster.shared_lists import share_lists
from relaytrack.pipeline.cluster.site_programs import SitePrograms
from relaytrack.pipeline.cluster.work_order import WorkStatus
from relaytrack.pipeline.config.ground import ground_planes
from relaytrack.pipeline.config.loading import anchor
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.errors import ConfigError, RelayTrackError
from relaytrack.pipeline.report import write_report
from relaytrack.pipeline.results.folder import check_output
from relaytrack.pipeline.results.identities import read_identities
from relaytrack.pipeline.runtime.summary import Summary, joined
from relaytrack.pipeline.share.starting import begin_share, check_share

LOG = logging.getLogger("relaytrack.cluster")
_ALONE = 5.0  # seconds that the nodes get to end when the head is gone
_STOPPING = 30.0  # seconds that the nodes get to end when the run is stopped


class ClusterRun:
    """Follows a site on the machines of a Ray cluster.

    Args:
        config: the whole site's.
        address: "auto" or HOST:PORT of Ray.

    Attributes:
        crew: the programs that follow cameras; mover: what moved between them.
        identities: how the identity service was doing when it was last asked.
    """

    def __init__(self, config: Config, address: str = "auto") -> None:
        self._config = absolute(anchor(config, Path.cwd()), Path.cwd())
        self._address = address
        self._stop = threading.Event()
        self.crew: Crew | None = None
        self.mover: Mover | None = None
        self.identities: DeskStatus | None = None
        self.nodes: list[WorkStatus] = []

    def stop(self) -> None:
        """End the run soon and cleanly; from any thread or signal."""
        self._stop.set()

    def run(self) -> Summary:
        """Run to the end of all files or until `stop`.

        Raises:
            ConfigError: the run is to go on in an earlier one's folder.
            ClusterError: the cluster cannot be joined, does not fit, or was lost.
            RelayTrackError: as `Pipeline.run`.
        """
        config = self._config
        if config.output.resume:
            raise ConfigError("--resume: a run on a cluster begins anew; with output.store people keep their numbers")
        if config.output.dir is not None:
            check_output(config.output.dir, overwrite=config.output.overwrite)
        check_share(config)
        ray = join_cluster(self._address)
        config = self._config = begin_share(config)
        started = time.monotonic()
        head = HeadWatch(ray.get_runtime_context().gcs_address)
        programs = SitePrograms(ray, config, time.time())
        self.crew = programs.crew
        try:
            return head.following(lambda: self._whole(ray, programs, started))
        finally:
            programs.end(head, _ALONE)
            head.close()

    def _whole(self, ray: Any, programs: SitePrograms, started: float) -> Summary:
        """The run from its first program to its last file."""
        config, crew, bus = self._config, programs.crew, RayBus()
        programs.hire()
        crew.zero = time.time()  # the start of the programs is no part of `run.max_seconds`
        self.identities = programs.begin_identities()
        mover = self.mover = programs.follow_cameras()
        self._follow(crew, mover, bus)
        summary = self._summary(time.monotonic() - started)
        if config.output.dir is not None:
            colors = bus.ask("colors", timeout=10.0)
            nodes = crew.results()
            out = gather(config, nodes, colors, self._told(bus) if mover.moved else None)
            if config.output.report:
                write_report(out, ground_planes(config))
            if config.cluster.share is not None:
                share_lists(out, config.cluster.share, nodes, self.nodes)
            final = {(one.camera, one.track): identity for one, identity in read_identities(out).tracks}
            summary.identify(final)
        end_identities(ray)
        summary.total_seconds = time.monotonic() - started
        return summary

    def _follow(self, crew: Crew, mover: Mover, bus: RayBus) -> None:
        """Watch until all nodes have ended."""
        told: float | None = None
        while True:
            if self._stop.is_set():
                told = time.monotonic() if told is None else told
                crew.stop()  # again: some work may have begun since
            self.nodes = crew.watch()
            failed = [status for status in self.nodes if status.state == "failed"]
            if failed:
                raise ClusterError(failed[0].error or f"node {failed[0].node} failed")
            if told is None:
                mover.look(time.monotonic())
            orders = sum(len(member.orders) for member in crew.members)
            moving = mover.moving and told is None
            if not moving and len(self.nodes) == orders and all(status.state in OVER for status in self.nodes):
                break
            if told is not None and time.monotonic() - told > _STOPPING:
                break
            self._stop.wait(0.2)
            self._look(bus)
        self._look(bus)

    def _look(self, bus: RayBus) -> None:
        """Ask the identity service how it is doing; this also shows it that its start still lives."""
        with contextlib.suppress(Exception):
            self.identities = bus.ask("status", timeout=2.0)

    @staticmethod
    def _told(bus: RayBus) -> dict[tuple[str, int], int] | None:
        """The final identity of every track; programs that gave a camera away do not know its later corrections."""
        try:
            return dict(bus.ask("final", timeout=10.0))
        except (TimeoutError, RelayTrackError) as error:
            LOG.warning("cameras that moved keep the identities of the moment when they moved: %s", error)
            return None

    def _summary(self, seconds: float) -> Summary:
        """The nodes' figures as of one run."""
        summary = Summary([camera.name for camera in self._config.cameras])
        for status in self.nodes:
            for name, about in status.cameras.items():
                before = summary.cameras[name]
                summary.cameras[name] = about if not before.frames else joined(before, about)
        summary.seconds = max((status.seconds[0] for status in self.nodes), default=seconds)
        return summary
