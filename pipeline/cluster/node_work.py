"""What a machine of a cluster does with its cameras: the engine, with its identities at the end of a bus."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from relaytrack.pipeline.clock import RunClock
from relaytrack.pipeline.cluster.bus import Bus
from relaytrack.pipeline.cluster.camera_costs import CameraCosts, CostMeter, Worked
from relaytrack.pipeline.cluster.clock_skew import TELL, clock_skew
from relaytrack.pipeline.cluster.live_packets import Wanted
from relaytrack.pipeline.cluster.node_colors import NodeColors
from relaytrack.pipeline.cluster.node_config import embeddings_form, node_config
from relaytrack.pipeline.cluster.node_files import NodeFiles, own_folder
from relaytrack.pipeline.cluster.node_live import NodeLive
from relaytrack.pipeline.cluster.node_notes import NodeNotes
from relaytrack.pipeline.cluster.node_share import node_share
from relaytrack.pipeline.cluster.outbox import Message, Outbox
from relaytrack.pipeline.cluster.proxy import ClusterIdentities
from relaytrack.pipeline.cluster.step_relay import StepRelay
from relaytrack.pipeline.cluster.work_order import WorkOrder, WorkStatus
from relaytrack.pipeline.config.ground import ground_planes
from relaytrack.pipeline.config.schema import CameraConfig, Config
from relaytrack.pipeline.engine import Pipeline
from relaytrack.pipeline.perception.stage import Perception
from relaytrack.pipeline.results.correction import Kind
from relaytrack.pipeline.runtime.snapshot import Snapshot
from relaytrack.pipeline.server.recordings import Recordings
from relaytrack.pipeline.sinks.base import Sink
from relaytrack.pipeline.sources import is_live

LOG = logging.getLogger("relaytrack.cluster")


class NodeWork:
    """Follows the cameras of one order.

    Args:
        order: what to do.
        bus: the way to the identity service.
        outbox: takes the steps of work for a site that is served.
        now: this machine's clock.

    Attributes:
        order: as above; files: what it has written.

    Raises:
        RelayTrackError: the identity service does not answer.
    """

    def __init__(
        self, order: WorkOrder, bus: Bus, outbox: Outbox | None = None, *, now: Callable[[], float] = time.time
    ) -> None:
        self._folder = order.folder if order.served is None or order.folder is None else own_folder(order.folder, now())
        config = node_config(order, self._folder)
        live = {camera.name: is_live(camera, config.run) for camera in config.cameras}
        form = embeddings_form(config, live.values())
        self.order = order
        self.files = NodeFiles(self._folder, order.node)
        self._config = config
        self._notes = NodeNotes(order.node)
        self._skew, _ = clock_skew(lambda: float(bus.ask("clock", timeout=10.0)), now)
        if abs(self._skew) > TELL:
            side = "ahead" if self._skew > 0 else "behind"
            LOG.warning("node %s: its clock is %.1f s %s; this is made up for", order.node, abs(self._skew), side)
        self._identities = ClusterIdentities(
            bus, order.node, order.order, live, form=form, patience=config.cluster.patience
        )
        served, colors = order.served, NodeColors(self._identities.colors)
        clock = RunClock(zero=order.zero, skew=self._skew, now=now) if served or any(live.values()) else None
        self._live = None if served is None or outbox is None else NodeLive(outbox)
        sinks: list[Sink] = []
        if self._live is not None and outbox is not None:
            sinks += [StepRelay(outbox, colors), self._live]
        if served is not None and self._folder is not None:
            days, limit = config.server.retain_days, config.output.disk_limit_gb * 1e9
            folder, retain = Path(self._folder), None if days is None else 86_400.0 * days
            sinks.append(Recordings(folder.parent, folder, retain=retain, limit=limit))
        self._pipeline = Pipeline(
            config,
            identities=self._identities,
            clock=clock,
            until="sources_end" if served is None else "stopped",
            sinks=sinks,
        )
        if served is not None:
            self._pipeline.corrections.recall(served.merged, served.cannot_link)
        self._pipeline.colors = colors
        self._pipeline.on_networks = self._know
        self._share = node_share(order, config, self._folder, live=any(live.values()), is_over=self._is_over)
        self._perception: Perception | None = None
        self._meter = CostMeter()

    def start(self) -> None:
        """Load the networks, open the cameras, begin; see `Pipeline.start`."""
        self._pipeline.start()
        if self._share is not None:
            self._share.start()

    def stop(self) -> None:
        """End soon and cleanly."""
        self._pipeline.stop()

    def release(self, cameras: Sequence[str]) -> None:
        """Let cameras go that another machine is to follow; the others go on. With its last camera the work ends.

        Raises:
            ConfigError: there is no such camera, or the work is not on its way.
        """
        planes = ground_planes(self._config.model_copy(update={"cameras": self._pipeline.cameras}))
        for name in cameras:
            self._pipeline.remove_camera(name)
            if name in planes:  # the engine counts a camera that is leaving as gone
                self._identities.calibrate(name, planes[name])
        self._let_go(cameras)

    def _let_go(self, cameras: Sequence[str]) -> None:
        self._identities.release(cameras)
        if self.order.served is not None and not self._pipeline.cameras:
            self.stop()

    def add_camera(self, camera: str) -> None:
        """Follow a further live camera.

        Args:
            camera: its settings as JSON.

        Raises:
            RelayTrackError: a setting makes no sense, or the identity service refuses it or does not answer.
        """
        settings = CameraConfig.model_validate_json(camera)
        self._identities.take(settings.name)
        try:
            self._pipeline.add_camera(settings)
        except BaseException:
            self._identities.release([settings.name])
            raise

    def change_camera(self, camera: str) -> None:
        """Give a camera other settings, as JSON; see `Pipeline.change_camera`."""
        self._pipeline.change_camera(CameraConfig.model_validate_json(camera))

    def pause_camera(self, name: str) -> None:
        """See `Pipeline.pause_camera`."""
        self._pipeline.pause_camera(name)

    def resume_camera(self, name: str) -> None:
        """See `Pipeline.resume_camera`."""
        self._pipeline.resume_camera(name)

    def remove_camera(self, name: str) -> None:
        """Let a camera go for good; with its last camera the work ends."""
        self._pipeline.remove_camera(name)
        self._let_go([name])

    def want(self, wanted: Wanted) -> None:
        """Send the pictures that are looked at; see `NodeLive.want`."""
        if self._live is not None:
            self._live.want(wanted, {camera.name for camera in self._pipeline.cameras})

    def next_picture(self) -> Message | None:
        """See `NodeLive.next`."""
        return None if self._live is None else self._live.next()

    def correct(self, kind: Kind, person: int, new: int, more: Mapping[str, Any]) -> None:
        """Carry out what an operator says of a person; see `Corrector.apply`, whose further words are `more`.

        Raises:
            RelayTrackError: a file or the identity service could not follow.
        """
        tracks = more["tracks"]
        if tracks is not None:  # those of other machines are corrected there
            names = {camera.name for camera in self._pipeline.cameras}
            tracks = [key for key in tracks if key[0] in names]
        if tracks != []:
            self._pipeline.corrector().apply(kind, person, new, **{**more, "tracks": tracks})
            if self._share is not None:
                self._share.hurry()

    def forbid_link(self, one: int, other: int) -> None:
        """These are two people; see `Corrections.forbid_link`."""
        self._pipeline.corrections.forbid_link(one, other)

    def change_settings(self, config: str, keys: Collection[str]) -> None:
        """Take up other settings; see `Pipeline.change_settings`.

        Raises:
            ConfigError, TrackerError: they cannot be taken up.
        """
        self._pipeline.change_settings(Config.model_validate_json(config), keys)

    def join(self, timeout: float | None = None) -> None:
        """Wait for the end; see `Pipeline.join`."""
        self._pipeline.join(timeout)

    def status(self) -> WorkStatus:
        """How it is doing."""
        shared = None if self._share is None else self._share.status()  # first: the warnings of its end are taken below
        snapshot, summary, link = self._pipeline.status(), self._pipeline.summary, self._identities.link
        if shared is not None and not shared.over and snapshot.state == "ended":
            snapshot = dataclasses.replace(snapshot, state="finalizing")
        return WorkStatus(
            node=self.order.node,
            state=snapshot.state,
            error=snapshot.error,
            cameras=dict(summary.cameras),
            seconds=(summary.seconds, summary.total_seconds),
            bytes=link.sent_bytes,
            tracks=link.sent_tracks,
            cut=self._identities.cut,
            skew=self._skew,
            costs=self._costs(snapshot),
            notes=self._notes.take(),
            shared=shared,
            snapshot=None if self.order.served is None else _without_frames(snapshot),
        )

    def _is_over(self) -> bool:
        return self._pipeline.status().state in ("ended", "failed")

    def _know(self, perception: Perception) -> None:
        self._perception = perception

    def _costs(self, snapshot: Snapshot) -> CameraCosts:
        """What the present cameras cost."""
        if self._perception is None:
            return CameraCosts()
        spent, effort = self._perception.times.cameras, self._perception.effort
        worked = {name: Worked(spent.get(name, 0.0), one.frames, one.dropped) for name, one in snapshot.cameras.items()}
        saved = 1.0 if effort is None else effort.saved
        return self._meter.look(time.monotonic(), worked, saved=saved, streams=self._perception.streams)

    def close(self) -> None:
        """Stop, and wait a moment for the end."""
        self.stop()
        if self._share is not None:
            self._share.close()
        self._notes.close()


def _without_frames(snapshot: Snapshot) -> Snapshot:
    """The snapshot without the cameras' last frames, which come with the steps."""
    cameras = {name: dataclasses.replace(one, tracks=None) for name, one in snapshot.cameras.items()}
    return dataclasses.replace(snapshot, cameras=cameras, present={})
