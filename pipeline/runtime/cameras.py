"""The registry of a run's cameras: they join, change, pause and leave while the others go on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Literal

from relaytrack.pipeline import build
from relaytrack.pipeline.clock import RunClock
from relaytrack.pipeline.config.ground import ground_plane
from relaytrack.pipeline.config.schema import CameraConfig, Config, joining
from relaytrack.pipeline.errors import ConfigError
from relaytrack.pipeline.part_checks import TRACKER, check_part
from relaytrack.pipeline.perception.detectors.base import Detector, introduce
from relaytrack.pipeline.runtime.camera_changes import READING, SETTINGS, changed_keys, refuse_given
from relaytrack.pipeline.runtime.camera_counts import CameraCounts
from relaytrack.pipeline.sources import create_source, is_live
from relaytrack.pipeline.sources.base import Source, SourceStats
from relaytrack.pipeline.sources.synchroniser import CameraState, FrameSynchronizer
from relaytrack.pipeline.tracking.backfill import EarlierBoxes
from relaytrack.pipeline.tracking.multi_camera import MultiCameraTracker
from relaytrack.pipeline.tracking.session import CameraSession
from relaytrack.pipeline.tracking.tracker import Tracker
from relaytrack.trackers import GroundPlane

News = Callable[[Literal["added", "removed"], CameraConfig], None]


class CameraRegistry:
    """Knows the cameras of a run, and lets them come and go.

    Args:
        config: the run's configuration.
        detector: where detections come from.
        multi: tracks the cameras' people.
        clock: the run's clock.
        stop: set when the run is to end.
        live: whether the run is live: its frames carry dates, and nothing waits for its end.
        tracker: makes each camera's tracker; None takes the configured one.
        given: sources of one's own, by camera name.
        first_ids: by camera, the number after which its track ids begin, where an earlier start has used some.

    Attributes:
        synchronizer: reads the cameras; set before anything but `begin` is called.
        changed: whether cameras came, went or were given another source since the start.
        on_change: told of every camera that comes or goes.
    """

    synchronizer: FrameSynchronizer

    def __init__(
        self,
        config: Config,
        detector: Detector,
        multi: MultiCameraTracker,
        *,
        clock: RunClock,
        stop: threading.Event,
        live: bool,
        tracker: Callable[[CameraConfig], Tracker] | None = None,
        given: Mapping[str, Source] | None = None,
        first_ids: Mapping[str, int] | None = None,
    ) -> None:
        self.config = config
        self._detector = detector
        self._multi = multi
        self._clock, self._stop, self._live = clock, stop, live
        self._tracker = tracker
        self._given = dict(given or {})
        self._first_ids = first_ids or {}
        self._busy = threading.RLock()
        self._counts = CameraCounts()
        self.changed = False
        self.on_change: News = lambda kind, camera: None

    # the start

    def begin(self, camera: CameraConfig) -> None:
        """Make a camera of the start ready, without opening it.

        Raises:
            ConfigError: its address cannot be used.
        """
        self._multi.add(self._session(camera, self._given.get(camera.name) or self._source(camera)))

    def sources(self) -> list[Source]:
        """The present cameras' sources, in order."""
        return [session.source for session in self._multi.sessions.values() if session.source is not None]

    def hold_paused(self) -> None:
        """Before the start: cameras that were paused at the last run's end are not opened."""
        for session in self._multi.sessions.values():
            if session.config.paused and session.source is not None and session.name not in self._given:
                session.paused = True
                self.synchronizer.pause(session.name)

    # while the run goes on

    def add(self, camera: CameraConfig, source: Source | None = None) -> str:
        """Take up a camera; see `Pipeline.add_camera`."""
        with self._busy:
            camera = joining(camera, list(self._multi.sessions))
            plane = ground_plane(camera)
            introduce(self._detector, camera)
            session = self._session(camera, source or self._source(camera, joins=True))
            if source is not None:
                self._given[camera.name] = source
            self._join(session, plane)
            return camera.name

    def remove(self, name: str) -> None:
        """Let a camera go; see `Pipeline.remove_camera`."""
        with self._busy:
            session = self._find(name)
            self.changed = True
            self.synchronizer.remove(name)
            self._counts.retire(session)
            self._multi.remove(name)
            if session.config.ground is not None:
                self._multi.identities.calibrate(name, None)
            self._given.pop(name, None)
            self._counts.leave(session)
            self.on_change("removed", session.config)

    def pause(self, name: str) -> None:
        """Take no frames of a camera for now."""
        with self._busy:
            session = self._find(name)
            session.config = session.config.model_copy(update={"paused": True})
            if not session.paused:
                session.paused = self.changed = True
                self.synchronizer.pause(name, keep_open=name in self._given)

    def resume(self, name: str) -> None:
        """Take its frames again."""
        with self._busy:
            session = self._find(name)
            session.config = session.config.model_copy(update={"paused": False})
            if not session.paused:
                return
            session.paused = False
            never_read = session.source is not None and not session.source.stats.frames
            if session.source is not None and (session.source.live or never_read) and name not in self._given:
                self._exchange(session, self._source(session.config, joins=True))
            else:
                self.synchronizer.resume(name)

    def change(self, camera: CameraConfig) -> None:
        """Give a camera other settings; see `Pipeline.change_camera`."""
        with self._busy:
            session = self._find(camera.name)
            changed = changed_keys(session.config, camera)
            if not changed:
                return
            plane = ground_plane(camera)
            if anew := bool(changed - SETTINGS - READING):
                introduce(self._detector, camera)  # fails before anything has changed, as the next lines do
            if camera.name in self._given:
                refuse_given(camera.name, changed)
            if anew:
                session = self._session(camera, self._source(camera, joins=True))
                self.remove(camera.name)
                self._join(session, plane)
                return
            source = self._source(camera, joins=True) if changed & READING and not session.paused else None
            self._multi.change(camera)
            if source is not None:
                self.changed = True
                self._exchange(session, source)
            if "ground" in changed:
                self._multi.identities.calibrate(camera.name, plane)
            if "paused" in changed:
                (self.pause if camera.paused else self.resume)(camera.name)
            self.on_change("added", camera)

    # what is known

    def names(self) -> list[str]:
        """The present cameras."""
        return list(self._multi.sessions)

    def settings(self) -> list[CameraConfig]:
        """The present cameras' settings."""
        return [session.config for session in self._multi.sessions.values()]

    def status(self, name: str) -> tuple[bool, CameraState, tuple[int, int] | None, SourceStats, int]:
        """Whether a camera is live, what it does, its pictures' size, its counts, and how many frames wait."""
        session = self._multi.sessions.get(name)
        source = None if session is None else session.source
        state = self.synchronizer.states().get(name, "ended")
        waiting = self.synchronizer.depth().get(name, 0)
        if session is None or source is None:
            return False, state, None, SourceStats(), waiting
        return source.live, state, source.size, self._counts.stats(name, source), waiting

    def counts(self) -> tuple[dict[str, SourceStats], dict[str, int]]:
        """Per camera, those that left included: what happened to its frames, and its confirmed tracks."""
        return self._counts.all(self._multi.sessions)

    def earlier(self) -> dict[str, EarlierBoxes]:
        """Boxes from before tracks were confirmed, by camera, where they were kept."""
        return {name: one.earlier for name, one in self._multi.sessions.items() if one.earlier is not None}

    # helpers

    def _join(self, session: CameraSession, plane: GroundPlane | None) -> None:
        """Track a checked camera from now on."""
        camera, source = session.config, session.source
        assert source is not None
        self.changed = True
        self._multi.add(session)
        if plane is not None:
            self._multi.identities.calibrate(camera.name, plane)
        self.on_change("added", camera)
        self.synchronizer.add(source)
        if camera.paused:
            self.pause(camera.name)

    def _find(self, name: str) -> CameraSession:
        if name not in self._multi.sessions:
            raise ConfigError(f"there is no camera {name!r}")
        return self._multi.sessions[name]

    def _source(self, camera: CameraConfig, *, joins: bool = False) -> Source:
        """The source of a camera; a live one that joins is tried until it answers, a recording begins now."""
        options = self.config.input
        if joins:
            options = options.model_copy(update={"on_start_failure": "retry"})
            newest = self.synchronizer.newest
            if newest is not None and not is_live(camera, self.config.run):
                camera = camera.model_copy(update={"offset": camera.offset + newest})
        zero = self._clock.zero if self._live else None
        return create_source(camera, options, self.config.run, started=self._clock.started, stop=self._stop, zero=zero)

    def _session(self, camera: CameraConfig, source: Source) -> CameraSession:
        tracker = None if self._tracker is None else self._tracker(camera)
        if self._tracker is not None:
            check_part(f"tracker of camera {camera.name!r}", tracker, TRACKER)
        session = build.create_session(
            self.config, camera, self._detector, source=source, tracker=tracker, keep_earlier=not self._live
        )
        session.first_id = self._first_ids.get(camera.name, 0)
        return session

    def _exchange(self, session: CameraSession, source: Source) -> None:
        """Read a camera from another source from now on."""
        self._counts.retire(session)
        session.source = source
        self.synchronizer.replace(session.name, source)
