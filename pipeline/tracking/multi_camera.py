"""From observations to steps: the cameras' trackers, the identity service and the events."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from relaytrack.pipeline.config.schema import CameraConfig, EventsConfig
from relaytrack.pipeline.errors import ConfigError
from relaytrack.pipeline.events.watch import EventWatch
from relaytrack.pipeline.identity.interface import AwaitedAnswer, IdentityService, RemoteIdentityService
from relaytrack.pipeline.identity.messages import IdentityAnswer, TrackletMessage
from relaytrack.pipeline.records import NO_IMAGES, FrameTracks, Images, Ints, Observation, Step
from relaytrack.pipeline.tracking.session import CameraSession
from relaytrack.trackers import DeepSort

_GONE = 10_000  # names of cameras that left, whose highest track id is remembered


@dataclass(frozen=True, slots=True)
class RawStep:
    """A step on its way to the receivers: the facts, and the raw pictures that nobody has been hidden in yet."""

    step: Step
    raw: Images = field(default_factory=lambda: NO_IMAGES)


@dataclass(frozen=True, slots=True)
class TrackedStep:
    """The frames of a step with their tracks; identities are not known yet."""

    messages: list[TrackletMessage]
    tracks: list[FrameTracks]
    raw: Images


@dataclass(frozen=True, slots=True)
class SentStep:
    """A tracked step whose identities have been asked for."""

    tracked: TrackedStep
    answer: AwaitedAnswer


class MultiCameraTracker:
    """Tracks the people of all cameras and gives them identities.

    Cameras come, change and go while it works; all methods may be called from any thread.

    Args:
        sessions: the cameras at the start.
        identities: joins the cameras' tracks.
        events: tells what happens; None tells nothing.
    """

    def __init__(
        self,
        sessions: Iterable[CameraSession],
        identities: IdentityService,
        events: EventWatch | None = None,
    ) -> None:
        self._busy = threading.Lock()
        self._sessions: dict[str, CameraSession] = {session.name: session for session in sessions}
        self._highest: dict[str, int] = {}
        self._time = 0.0
        self.identities = identities
        self.events = events

    @property
    def sessions(self) -> Mapping[str, CameraSession]:
        """The cameras by name, in the order in which they came."""
        return dict(self._sessions)

    def add(self, session: CameraSession) -> None:
        """Take up a camera. One that was there before by this name gets new track ids.

        Raises:
            ConfigError: there is a camera of that name.
        """
        with self._busy:
            if session.name in self._sessions:
                raise ConfigError(f"there is a camera {session.name!r} already")
            session.first_id = self._highest.pop(session.name, session.first_id)
            session.stats.highest = session.first_id
            self._sessions = {**self._sessions, session.name: session}
            if self.events is not None:
                self.events.places.set_camera(session.config)

    def remove(self, name: str) -> CameraSession:
        """Let a camera go; frames of it that are still on their way are passed over.

        Raises:
            ConfigError: there is no such camera.
        """
        with self._busy:
            sessions = dict(self._sessions)
            session = sessions.pop(name, None)
            if session is None:
                raise ConfigError(f"there is no camera {name!r}")
            self._sessions = sessions
            self._highest[name] = session.stats.highest
            while len(self._highest) > _GONE:
                del self._highest[next(iter(self._highest))]
            if self.events is not None:
                self.events.places.remove_camera(name)
            return session

    def change(self, config: CameraConfig) -> None:
        """Give a camera other settings that need no other source: zones, lines.

        Raises:
            ConfigError: there is no such camera.
        """
        with self._busy:
            if config.name not in self._sessions:
                raise ConfigError(f"there is no camera {config.name!r}")
            self._sessions[config.name].config = config
            if self.events is not None:
                self.events.places.set_camera(config)

    def follow(self, observations: Sequence[Observation]) -> RawStep:
        """Take the observations of one step, at most one per camera."""
        with self._busy:
            seen = self._track(observations)
            return self._complete(seen, self.identities.update(seen.messages))

    def send(self, observations: Sequence[Observation]) -> SentStep:
        """The first half of `follow`, where identities come from far away: track, and ask for identities."""
        if not isinstance(self.identities, RemoteIdentityService):
            raise TypeError("send() needs a RemoteIdentityService")
        with self._busy:
            seen = self._track(observations)
            return SentStep(seen, self.identities.submit(seen.messages))

    def receive(self, sent: SentStep) -> RawStep:
        """The second half: wait for the identities."""
        answer = sent.answer.result()
        with self._busy:
            return self._complete(sent.tracked, answer)

    def _track(self, observations: Sequence[Observation]) -> TrackedStep:
        seen = [one for one in observations if one.frame.camera in self._sessions]
        tracked = [self._sessions[one.frame.camera].track(one) for one in seen]
        raw = {one.frame.camera: one.image for one in seen if one.image is not None}
        return TrackedStep([message for message, _ in tracked], [tracks for _, tracks in tracked], raw)

    def _complete(self, seen: TrackedStep, answer: IdentityAnswer) -> RawStep:
        tracks = tuple(
            _named(found, ids, own)
            for found, ids, own in zip(seen.tracks, answer.global_ids, answer.track_ids, strict=True)
        )
        time = max((one.frame.time for one in seen.tracks), default=self._time)
        self._time = max(self._time, time)
        events = () if self.events is None else tuple(self.events.update(time, tracks, answer.revisions))
        return RawStep(Step(time, tracks, answer.revisions, events), seen.raw)

    def counts(self) -> dict[str, dict[str, dict[str, int]]]:
        """Per camera the counts of its zones and lines; see `EventWatch.counts`."""
        with self._busy:
            return {} if self.events is None else self.events.places.counts()

    def set_events(self, settings: EventsConfig) -> None:
        """Use other times for events from now on."""
        with self._busy:
            if self.events is not None:
                self.events.set_times(settings)

    def tune_trackers(self, values: Mapping[str, float]) -> None:
        """Give our own trackers other thresholds.

        Raises:
            TrackerInputError: they make no sense together.
        """
        with self._busy:
            for session in self._sessions.values():
                if isinstance(session.tracker, DeepSort):
                    session.tracker.tune(**values)

    def forget(self, identity: int, tracks: Collection[tuple[str, int]]) -> None:
        """Forget a person, with whom events then compare nobody any more; `tracks` are theirs."""
        with self._busy:
            if self.events is not None:
                self.events.forget(identity, tracks)

    def finish(self) -> RawStep | None:
        """The last step of the run, in which everybody leaves; None where nobody is in view."""
        with self._busy:
            events = () if self.events is None else tuple(self.events.finish())
        return RawStep(Step(self._time, events=events)) if events else None


def _named(tracks: FrameTracks, global_ids: Ints, track_ids: Ints) -> FrameTracks:
    """Tracks with identities; those of which none is known (they came too late) are left out."""
    known = global_ids > 0
    named = replace(tracks, ids=track_ids, global_ids=global_ids)
    return named if known.all() else named.pick(known)
