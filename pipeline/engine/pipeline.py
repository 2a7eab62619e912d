"""The engine's public class: what a program does with a run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack, nullcontext, suppress
from pathlib import Path
from typing import Any, get_args

from relaytrack.pipeline.clock import RunClock
from relaytrack.pipeline.config.loading import as_config
from relaytrack.pipeline.config.schema import CameraConfig, Config
from relaytrack.pipeline.engine.camera_commands import CameraCommands
from relaytrack.pipeline.engine.live_settings import take_up
from relaytrack.pipeline.engine.own_parts import OwnParts, TrackerFactory, Until, by_name, check_parts, with_own_cameras
from relaytrack.pipeline.engine.parts import make_parts
from relaytrack.pipeline.engine.people_commands import PeopleCommands
from relaytrack.pipeline.engine.progress import Progress
from relaytrack.pipeline.engine.run import Run
from relaytrack.pipeline.engine.sink_commands import SinkCommands
from relaytrack.pipeline.errors import ConfigError, RelayTrackError
from relaytrack.pipeline.events.known_tracks import EarlierTrack
from relaytrack.pipeline.identity.interface import IdentityService
from relaytrack.pipeline.identity.network_mark import mark_of
from relaytrack.pipeline.palette import IdentityColors
from relaytrack.pipeline.perception.detectors.base import Detector
from relaytrack.pipeline.perception.stage import CropEmbedder, Perception
from relaytrack.pipeline.runtime.cameras import CameraRegistry
from relaytrack.pipeline.runtime.correcting import Corrector
from relaytrack.pipeline.runtime.cv_threads import opencv_on_one_thread
from relaytrack.pipeline.runtime.heap import short_collections, steady_heap
from relaytrack.pipeline.runtime.sink_host import SinkHost
from relaytrack.pipeline.runtime.snapshot import RunState, Snapshot
from relaytrack.pipeline.runtime.summary import Summary
from relaytrack.pipeline.sinks.base import Sink, WhenFull
from relaytrack.pipeline.sources.base import Source

_PATIENCE = 5.0  # seconds that a sink gets to end when the run is told to stop


class Pipeline(CameraCommands, PeopleCommands, SinkCommands):
    """Runs a configuration from cameras to outputs.

    `run()` does it all. A program that wants more uses `start()`, `steps()`, `status()`, `stop()` and `join()`, and
    adds, changes, pauses and removes cameras while the run goes on. Every part can be given as an instance; what is
    not given is built from the configuration.

    Args:
        config: a configuration that `load_config` has read, or its file or mapping. `output.dir: null` leaves no files.
        progress: told how the run goes; None for silence.
        sinks: further receivers of every step, besides those of the configuration. They get pictures if they declare
            so (`sinks.base.Sink`), after people were hidden in them. One that fails is left out; the run goes on.
        sources: cameras of one's own; a camera of that name in the configuration gives its zones, floor and so on,
            but nothing that changes its frames: `roi`, `max_fps`, `offset` and `run.fps` are the source's own affair.
        detector: finds people, instead of the configured one.
        embedder: describes people, instead of the configured one.
        tracker: makes each camera's tracker, instead of `DeepSort`; given the detector's own scores.
        identities: the identity service, instead of the one in this process.
        until: "sources_end" ends with the last source; "stopped" goes on until `stop()`, also without any camera.
        clock: the run's clock, where several hosts share one.

    Raises:
        ConfigError: the configuration is wrong, it names no camera, or a part lacks what its protocol asks for.

    Example:
        >>> from relaytrack import Pipeline
        >>> summary = Pipeline("configs/demo.yaml").run()  # doctest: +SKIP
    """

    def __init__(
        self,
        config: Config | str | Path | Mapping[str, Any],
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
        super().__init__("engine")
        check_parts(sources, sinks, detector=detector, embedder=embedder, tracker=tracker, identities=identities)
        if until not in get_args(Until):
            raise ConfigError(f"until: {until!r} is neither 'sources_end' nor 'stopped'")
        own = OwnParts(by_name(sources), detector, embedder, tracker, identities, clock, tuple(sinks))
        config = with_own_cameras(as_config(config), own.sources)
        if not config.cameras and until == "sources_end":
            raise ConfigError("no cameras: name at least one (cameras: in the configuration, or --source)")
        self.config = config
        self.on_networks: Callable[[Perception], object] | None = None
        self.on_mark: Callable[[bytes | None], object] | None = None
        self.colors = IdentityColors()
        self.earlier: Sequence[EarlierTrack] = ()
        self.corrections = own.corrections
        self._summary = Summary([camera.name for camera in config.cameras])
        self._own = own
        self._until = until
        self._progress = progress
        self._run: Run | None = None
        self._closing = ExitStack()
        self._live = until == "stopped" or any(own.is_live(camera, config) for camera in config.cameras)
        when_full: WhenFull = "drop_oldest" if self._live else "block"
        self._host = SinkHost(when_full=when_full, on_error="disable", stop=self._stop, patience=_PATIENCE)

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

    @property
    def summary(self) -> Summary:
        """What was seen so far."""
        return self._summary

    @property
    def cameras(self) -> tuple[CameraConfig, ...]:
        """The settings of the present cameras."""
        return self.config.cameras if self._run is None else tuple(self._run.parts.cameras.settings())

    def networks(self) -> Perception | None:
        """Networks for others; None: `on_networks` is told of the run's own."""
        return None

    def change_settings(self, wanted: Config, keys: Collection[str]) -> None:
        """Take up other settings while the run goes on; see `engine.live_settings.AT_ONCE`.

        Args:
            wanted: a configuration with the new values.
            keys: the dotted keys that differ.

        Raises:
            ConfigError: one of them cannot change now, or the run is not on its way.
            TrackerError: the values make no sense together.
        """
        if self._run is None:
            raise ConfigError("no run is on its way")
        take_up(self._run.parts, wanted, keys)
        self.config = self._run.parts.config

    def _prepare(self) -> bool:
        if self._live:
            steady_heap()
        self._own.on_networks = self._networks_loaded
        self._own.earlier = self.earlier
        parts = make_parts(
            self.config,
            self._own,
            self._host,
            live=self._live,
            until_stopped=self._until == "stopped",
            stop=self._stop,
            colors=self.colors,
            closing=self._closing,
        )
        self.config, self.colors = parts.config, parts.colors
        self._summary.sight = getattr(parts.perception.detector, "sight", None)
        self._run = Run(parts, self._summary, stop=self._stop, progress=self._progress, status=self.status)
        return True

    def _networks_loaded(self, perception: Perception) -> None:
        if self.on_networks is not None:
            self.on_networks(perception)
        if self.on_mark is not None:
            self.on_mark(mark_of(perception.embedder))

    def _carry_out(self) -> None:
        run = self._run
        assert run is not None, "the run is prepared"
        with opencv_on_one_thread(), short_collections() if self._live else nullcontext():
            run.follow()
            self._state = "finalizing"
            run.finish()

    def _leave(self) -> None:
        try:
            if self._run is not None:
                self._run.tell_end()
            else:
                with suppress(RelayTrackError):
                    self._host.close(1.0)
            self._closing.close()
        finally:
            if self._progress:
                self._progress.stop()

    def _snapshot(self, state: RunState, error: str | None) -> Snapshot:
        return Snapshot(state, error) if self._run is None else self._run.snapshot(state, error)

    def _present_cameras(self) -> CameraRegistry:
        self._check_running("cameras can be added, changed and removed")
        assert self._run is not None, "the run is on its way"
        return self._run.parts.cameras

    def corrector(self) -> Corrector:
        """See `PeopleCommands.corrector`."""
        if self._run is None or self._state != "running" or not self._live:
            raise ConfigError("people can be corrected while a live run goes on, or in its folder when it has ended")
        return self._run.corrector
