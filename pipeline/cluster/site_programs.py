"""The programs of a site and its identity service: how they start and how they end."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from relaytrack.pipeline.cluster.crew import Crew
from relaytrack.pipeline.cluster.greetings import DeskStatus
from relaytrack.pipeline.cluster.head_watch import HeadWatch
from relaytrack.pipeline.cluster.hiring import Hiring
from relaytrack.pipeline.cluster.identity_start import begin_identities, kill_identities
from relaytrack.pipeline.cluster.moving import Mover
from relaytrack.pipeline.cluster.placing import Group, groups_of
from relaytrack.pipeline.cluster.program_calls import TOLD
from relaytrack.pipeline.cluster.ray_bus import RayBus
from relaytrack.pipeline.cluster.ray_start import machines
from relaytrack.pipeline.cluster.work_order import Served
from relaytrack.pipeline.config.ground import ground_planes
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.share.starting import unused_if_it_fails

LOG = logging.getLogger("relaytrack.cluster")


class SitePrograms:
    """Starts the programs and the identity service of a site: `hire`, `begin_identities` and `follow_cameras`, in turn.

    Args:
        ray: the module, connected.
        config: the whole site's.
        zero: seconds since 1970 at the run's time 0.
        served: what work needs besides, where the site is served.

    Attributes:
        crew: the programs.
        threshold, network: the same-person threshold of their embedder and its network's mark, after `hire`.
    """

    def __init__(self, ray: Any, config: Config, zero: float, served: Callable[[], Served] | None = None) -> None:
        self._ray, self._config = ray, config
        self._hiring = Hiring(ray, config)
        self._groups: list[Group] = []
        self.crew = Crew(ray, config, self._hiring, zero, served)
        self.threshold: float | None = None
        self.network: bytes | None = None

    def hire(self, *, spare: bool = False) -> None:
        """Start a program for every group of cameras, and see that each of them fits.

        Args:
            spare: also start programs that have no camera yet, where there are more machines than groups.

        Raises:
            ClusterError: no machine has room, one has another version or lacks the weights, or they differ.
            ConfigError: a camera that is bound to a machine is not there.
        """
        config = self._config
        programs = config.cluster.nodes or len(machines(self._ray))
        self._groups = groups_of(config.cameras, programs, config.cluster.bind)
        if spare:
            self._groups += [Group("") for _ in range(programs - len(self._groups))]
        with unused_if_it_fails(config):
            self.threshold, self.network = self.crew.hire(self._groups)

    def begin_identities(self) -> DeskStatus:
        """Start the identity service and tell it what is known of the floor.

        Raises:
            ClusterError: the cluster follows a site already, or the service cannot start.
        """
        desk = begin_identities(self._ray, self._config, self.threshold, self.crew.zero, self.network)
        for camera, plane in ground_planes(self._config).items():
            RayBus().ask("calibrate", camera, plane, timeout=TOLD)
        return desk

    def follow_cameras(self) -> Mover:
        """Let the programs follow their cameras; returns the `Mover` that takes cameras from one to another later.

        Raises:
            RelayTrackError: a program cannot follow its cameras.
        """
        mover = Mover(self._ray, self._config, self.crew, self._hiring, self.threshold, self.network)
        self.crew.begin(self._groups)
        LOG.info("%d cameras on %d programs", len(self._config.cameras), len(self._groups))
        return mover

    def end(self, head: HeadWatch, alone: float) -> None:
        """End the programs and the identity service at once.

        Args:
            head: of the cluster.
            alone: seconds that the programs get to end by themselves where the head is gone, which would end them.
        """
        if head.gone:
            self.crew.end_without_head(alone)
        else:
            self.crew.dismiss()
            kill_identities(self._ray)
