"""Makes the parts of one run, from its configuration and from what the program brings itself."""

from __future__ import annotations

import gc
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from relaytrack.pipeline import build, plugins
from relaytrack.pipeline.clock import RunClock
from relaytrack.pipeline.config.ground import ground_planes
from relaytrack.pipeline.config.schema import DETECTORS, Config
from relaytrack.pipeline.engine.own_parts import OwnParts
from relaytrack.pipeline.engine.resuming import clock_after, with_end
from relaytrack.pipeline.engine.run_folder import begun, holds_store, locked
from relaytrack.pipeline.errors import ConfigError
from relaytrack.pipeline.events.watch import EventWatch
from relaytrack.pipeline.identity.far_corrections import wrapped
from relaytrack.pipeline.identity.interface import IdentityService, RemoteIdentityService
from relaytrack.pipeline.identity.making import create_identity_service
from relaytrack.pipeline.identity.network_mark import mark_of
from relaytrack.pipeline.identity.store_lock import need_free
from relaytrack.pipeline.palette import IdentityColors
from relaytrack.pipeline.perception.stage import Perception
from relaytrack.pipeline.preflight import preflight
from relaytrack.pipeline.render.pictures import Pictures
from relaytrack.pipeline.render.places import Places, places_of
from relaytrack.pipeline.results.earlier_starts import EarlierStart, find_earlier_start, with_store
from relaytrack.pipeline.results.folder import prepare_output
from relaytrack.pipeline.results.identities import stored_colors
from relaytrack.pipeline.results.requests import Requests
from relaytrack.pipeline.runtime.cameras import CameraRegistry
from relaytrack.pipeline.runtime.run_info import RunInfo
from relaytrack.pipeline.runtime.sink_host import SinkHost
from relaytrack.pipeline.sinks import create_sinks
from relaytrack.pipeline.sources import create_synchronizer
from relaytrack.pipeline.tracking.multi_camera import MultiCameraTracker
from relaytrack.trackers import GroundPlane


@dataclass(slots=True)
class RunParts:
    """Everything that a run consists of, ready to begin.

    Attributes:
        config: the configuration as it is written into the run's folder.
        live: whether the run is live.
        own: what the program brought.
        perception: the networks.
        clock: the run's clock.
        multi: tracks the people of all cameras.
        cameras: knows the present cameras, which are open, and lets cameras come and go.
        host: the sinks, running.
        pictures: hides people and draws.
        places: zones and lines to draw, by camera.
        colors: of the identities.
        folder: where the results go, None where none are kept.
        info: writes run.json.
    """

    config: Config
    live: bool
    own: OwnParts
    perception: Perception
    clock: RunClock
    multi: MultiCameraTracker
    cameras: CameraRegistry
    host: SinkHost
    pictures: Pictures
    places: dict[str, Places]
    colors: IdentityColors
    folder: Path | None
    info: RunInfo | None


def make_parts(
    config: Config,
    own: OwnParts,
    host: SinkHost,
    *,
    live: bool,
    until_stopped: bool,
    stop: threading.Event,
    colors: IdentityColors,
    closing: ExitStack,
) -> RunParts:
    """Load the networks, open the cameras and begin the output folder.

    Args:
        config: the run's configuration.
        own: parts to take as they are.
        host: where the sinks go.
        live: whether the run is live.
        until_stopped: whether the run goes on without any camera.
        stop: set when the run is to end.
        colors: of the identities, as far as they are known.
        closing: told of everything that is to be closed in the end, also when this call fails.

    Raises:
        RelayTrackError: a setting, a camera, a network or the output folder is of no use.
        TrackerError: a setting of the tracker or the association makes no sense.
        ReidError: from the embedder.
    """
    checked = [] if until_stopped else [one.name for one in config.cameras if one.name not in own.sources]
    preflight(config, output=config.output.dir is not None, cameras=checked)
    given, ours = config, live and own.identities is None
    if ours or config.output.resume:
        config = with_store(config)
    if own.identities is None:
        need_free(config.output.store)
    earlier = find_earlier_start(config, live=live)
    if config.output.on_error == "resume" and config.output.dir is not None and not live:
        raise ConfigError("output.on_error: resume works in live runs only; this one reads files")
    planes = ground_planes(config)
    perception = _perception(config, own, live=live)
    if live:
        gc.collect()  # now, before the cameras are open: see `short_collections`
    lock = None
    if config.output.dir is not None and (ours or config.output.resume or (not own.identities and holds_store(config))):
        lock = begun(config, given, closing)
    if earlier is not None:
        own.corrections.recall(Requests(config.output.folder).merged())
    service = _identities(config, own, perception, planes, earlier, live=live)
    closing.callback(service.close)
    clock = own.clock or clock_after(earlier)
    running = with_end(config, clock, earlier)
    multi = MultiCameraTracker((), service, _events(config, own, earlier))
    cameras = _open_cameras(
        running,
        own,
        perception,
        multi,
        clock,
        earlier,
        live=live,
        until_stopped=until_stopped,
        stop=stop,
        closing=closing,
    )
    folder = None if config.output.dir is None else config.output.folder
    if folder is not None and lock is None:
        prepare_output(config)
        if live:
            locked(folder, closing)
    info = None
    if folder is not None:
        info = RunInfo(given, folder, perception, cameras.sources(), clock.zero if live else None)
    if earlier is not None:
        colors = stored_colors(config.output.folder)
    places = places_of(config)
    pictures = build.create_pictures(config, live=live, colors=colors, places=places)
    closing.callback(pictures.close)
    parts = RunParts(config, live, own, perception, clock, multi, cameras, host, pictures, places, colors, folder, info)
    _add_sinks(parts)
    return parts


def _perception(config: Config, own: OwnParts, *, live: bool) -> Perception:
    foreign = own.detector is not None or own.embedder is not None
    foreign |= config.detector.backend not in DETECTORS or config.embedder.name != "reid"
    streams = (
        1 if foreign and config.run.inference_streams is None else build.inference_streams(config, live=live)
    )  # may bear one thread only
    perception = build.create_perception(config, streams, detector=own.detector, embedder=own.embedder)
    if config.run.adapt and live and all(own.is_live(camera, config) for camera in config.cameras):
        perception.effort = build.create_effort(perception)
    if own.on_networks:
        own.on_networks(perception)
    return perception


def _identities(
    config: Config,
    own: OwnParts,
    perception: Perception,
    planes: Mapping[str, GroundPlane],
    earlier: EarlierStart | None,
    *,
    live: bool,
) -> IdentityService:
    origin = None if earlier is None else earlier.zero
    service = own.identities or create_identity_service(config, perception.embedder, planes, origin=origin, live=live)
    return wrapped(own.corrections, service)


def _events(config: Config, own: OwnParts, earlier: EarlierStart | None) -> EventWatch | None:
    events = build.create_event_watch(config)
    if events is not None:
        events.recall((track.identity for track in own.earlier), own.earlier)
        if earlier is not None:
            events.recall(earlier.identities)
    return events


def _open_cameras(
    config: Config,
    own: OwnParts,
    perception: Perception,
    multi: MultiCameraTracker,
    clock: RunClock,
    earlier: EarlierStart | None,
    *,
    live: bool,
    until_stopped: bool,
    stop: threading.Event,
    closing: ExitStack,
) -> CameraRegistry:
    cameras = CameraRegistry(
        config,
        perception.detector,
        multi,
        clock=clock,
        stop=stop,
        live=live,
        tracker=own.tracker,
        given=own.sources,
        first_ids=None if earlier is None else earlier.first_ids,
    )
    for camera in config.cameras:
        cameras.begin(camera)
    cameras.synchronizer = create_synchronizer(config, cameras.sources(), stop=stop, until_stopped=until_stopped)
    closing.callback(cameras.synchronizer.close)
    if until_stopped:
        cameras.hold_paused()
    cameras.synchronizer.start()
    if isinstance(multi.identities, RemoteIdentityService):
        multi.identities.opened({source.name: source.fps for source in cameras.sources()})
    return cameras


def _add_sinks(parts: RunParts) -> None:
    """Start the run's own sinks, those of the configuration and those of the program."""
    config, host = parts.config, parts.host
    host.prepare = parts.pictures.add
    if parts.folder is not None:
        names = [camera.name for camera in config.cameras]
        network = mark_of(parts.perception.embedder)
        live, colors, places = parts.live, parts.colors, parts.places
        for sink in create_sinks(config, names, live=live, colors=colors, places=places, network=network):
            host.add(sink, on_error=config.output.on_error)
    for wanted in config.sinks:
        sink = plugins.create_sink(wanted.name, wanted.options, folder=parts.folder)
        host.add(sink, name=wanted.name, when_full=wanted.when_full, on_error=wanted.on_error)
    for sink in parts.own.sinks:
        host.add(sink)
    for camera in config.cameras:
        host.camera_added(camera)
