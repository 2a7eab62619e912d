"""The run of a site on a cluster: its programs, the identity service, and what they send to this machine."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from relaytrack.pipeline import plugins
from relaytrack.pipeline.cluster.crew import OVER, RECORDINGS
from relaytrack.pipeline.cluster.far_cameras import FarCameras
from relaytrack.pipeline.cluster.far_live import FarLive
from relaytrack.pipeline.cluster.far_people import FarPeople
from relaytrack.pipeline.cluster.greetings import DeskStatus
from relaytrack.pipeline.cluster.head_watch import ClusterError, HeadWatch
from relaytrack.pipeline.cluster.identity_start import end_identities
from relaytrack.pipeline.cluster.moving import Mover
from relaytrack.pipeline.cluster.outbox import Message
from relaytrack.pipeline.cluster.program_calls import TOLD, ProgramCalls
from relaytrack.pipeline.cluster.pulling import Pullers
from relaytrack.pipeline.cluster.ray_bus import RayBus
from relaytrack.pipeline.cluster.site_programs import SitePrograms
from relaytrack.pipeline.cluster.site_steps import SiteSteps
from relaytrack.pipeline.cluster.step_relay import STEP
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.engine.live_settings import with_keys
from relaytrack.pipeline.runtime.sink_host import SinkHost
from relaytrack.pipeline.sinks.base import Sink

_LOOK = 0.2  # seconds between two looks at the programs
_ASK = 1.0  # seconds between two questions to the identity service
_ENDING = 3.0  # seconds that the programs get to end
_EMPTY = 0.5  # seconds that their last steps get to arrive
_ALONE = 2.0  # seconds that they get when the head is gone


class SiteRun:
    """Starts the programs of a site, looks after them, and ends them.

    Args:
        ray: the module, connected.
        config: the whole site's.
        zero: seconds since 1970 at the run's time 0.
        steps: takes every step.
        host: the sinks.
        live: takes the live pictures, and knows which are wanted.
        people: what operators say of people.

    Attributes:
        config: as above; `begin` notes the same-person threshold of the programs' embedder in it.
        crew: the programs; pullers: fetch what they have ready.
        calls: tells all of them something; cameras: takes up, changes and lets go cameras.
        desk: how the identity service was doing when it was last asked.
    """

    def __init__(
        self,
        ray: Any,
        config: Config,
        zero: float,
        *,
        steps: SiteSteps,
        host: SinkHost,
        live: FarLive,
        people: FarPeople,
    ) -> None:
        self._ray, self._steps, self._host, self._live = ray, steps, host, live
        self.config = config
        self._busy = threading.RLock()  # held while the programs are looked at or told something
        self._programs = SitePrograms(ray, config, zero, people.said)
        self.crew = self._programs.crew
        self.calls = ProgramCalls(ray, self.crew, self._busy, str(Path(config.cluster.dir) / RECORDINGS))
        self.cameras = FarCameras(ray, self.crew, self._busy, steps, host)
        self.pullers = Pullers(ray, self._take, live.wanted)
        self.desk: DeskStatus | None = None
        self._mover: Mover | None = None

    @property
    def network(self) -> bytes | None:
        """The mark of the network of all programs, after `begin`; None where it is not known."""
        return self._programs.network

    def begin(self, sinks: Sequence[Sink]) -> None:
        """Start the programs, the identity service and the sinks, and let the programs follow the cameras.

        Args:
            sinks: receivers of every step besides those of the configuration.

        Raises:
            ClusterError: the cluster does not fit, or was lost.
            RelayTrackError: a setting is of no use.
        """
        config, programs = self.config, self._programs
        programs.hire(spare=True)  # for cameras that are added
        if config.identities.threshold is None:
            named = dataclasses.replace(config.identities, threshold=programs.threshold)
            self.config = config.model_copy(update={"identities": named})
        self.desk = programs.begin_identities()
        for wanted in config.sinks:
            sink = plugins.create_sink(wanted.name, wanted.options, folder=None)
            self._host.add(sink, name=wanted.name, when_full=wanted.when_full, on_error=wanted.on_error)
        for sink in sinks:
            self._host.add(sink)
        self._steps.expect(camera.name for camera in config.cameras)
        for camera in config.cameras:
            self._host.camera_added(camera)
        self.pullers.follow(self.crew.members)
        self._mover = programs.follow_cameras()

    def follow(self, stop: threading.Event) -> None:
        """Look after the programs until `stop` is set, then let them complete their files.

        Raises:
            ClusterError: a program failed, or the cluster was lost.
        """
        assert self._mover is not None, "the run has begun"
        bus, due = RayBus(), 0.0
        while not stop.is_set():
            with self._busy:
                nodes = self.crew.watch()
                failed = next((one for one in nodes if one.state == "failed"), None)
                if failed is not None:
                    raise ClusterError(failed.error or f"{failed.node} failed")
                self._mover.look(time.monotonic())
                self.pullers.follow(self.crew.members)
            if time.monotonic() >= due:
                due = time.monotonic() + _ASK
                with contextlib.suppress(Exception):  # it starts again by itself
                    self.desk = bus.ask("status", timeout=2.0)
            stop.wait(_LOOK)
        self._end()

    def change_settings(self, wanted: Config, keys: Collection[str]) -> None:
        """Let all programs take up other settings, and those that start from now on.

        Raises:
            RelayTrackError: a program does not answer, or refused it.
        """
        self.calls.tell("change_settings", wanted.model_dump_json(), sorted(keys), timeout=TOLD)
        with self._busy:
            self.crew.config = with_keys(self.crew.config, wanted, keys)

    def leave(self, head: HeadWatch) -> None:
        """End everything that goes on."""
        self.pullers.close()
        with contextlib.suppress(Exception):
            self._host.close(_EMPTY)
        self._programs.end(head, _ALONE)

    def _take(self, message: Message) -> None:
        kind, data = message
        if kind == STEP:
            self._steps.take(data)
        else:
            self._live.take(message)

    def _end(self) -> None:
        """Let the programs complete their files, and take their last steps."""
        until = time.monotonic() + _ENDING
        with self._busy:
            self.crew.stop()
            while time.monotonic() < until and not all(one.state in OVER for one in self.crew.watch()):
                time.sleep(0.05)
            self.pullers.drain(_EMPTY)
        self._host.close(_EMPTY)
        with contextlib.suppress(Exception):
            end_identities(self._ray)
