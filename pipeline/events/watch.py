"""What happens, told as events while the run goes on; see `pipeline.events.schema`."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from relaytrack.pipeline.config.schema import CameraConfig, EventsConfig
from relaytrack.pipeline.dates import utc_text
from relaytrack.pipeline.events.former import Former
from relaytrack.pipeline.events.known_tracks import EarlierTrack, KnownTracks
from relaytrack.pipeline.events.place_watch import PlaceWatch
from relaytrack.pipeline.events.schema import (
    DwellEvent,
    EnterEvent,
    Event,
    IdentityEvent,
    LeaveEvent,
    LineCrossEvent,
    RevisedEvent,
    ZoneEnterEvent,
    ZoneLeaveEvent,
)
from relaytrack.pipeline.events.zones import ZoneWatch
from relaytrack.pipeline.records import FrameTracks
from relaytrack.pipeline.remembered import NumberSet, RecentMap
from relaytrack.trackers import Revision


@dataclass(slots=True)
class _Presence:
    """A track that is in view."""

    identity: int
    entered: float
    last: float
    frames: int = 1


class EventWatch:
    """Turns tracks and corrections into events.

    Args:
        cameras: the cameras with their zones and lines.
        settings: what is an event.
        remember: seconds for which tracks are remembered after they left.

    Attributes:
        places: the zones and lines of the cameras.
    """

    def __init__(self, cameras: Sequence[CameraConfig], settings: EventsConfig, *, remember: float = 600.0) -> None:
        self._leave_after = settings.leave_after
        self._pending: deque[Revision] = deque()
        self._present: dict[tuple[str, int], _Presence] = {}
        self._ids = RecentMap[tuple[str, int], int](remember)  # of tracks that left lately, too
        self._known = NumberSet()
        self._seen = KnownTracks()
        self._tracks = RecentMap[tuple[str, int], int](remember)  # the latest track of a person in a camera
        self.places = PlaceWatch(settings)
        self._zero: float | None = None  # seconds since 1970 at the run's time 0
        self._last = 0.0
        for camera in cameras:
            self.places.set_camera(camera)

    def set_times(self, settings: EventsConfig) -> None:
        """Use other times from now on; counts and stays are kept."""
        self._leave_after = settings.leave_after
        self.places.set_times(settings)

    def recall(self, identities: Iterable[int], tracks: Iterable[EarlierTrack] = ()) -> None:
        """These people were seen in an earlier start: they are not new. `tracks` are what they are compared with."""
        for identity in identities:
            self._known.add(identity)
        self._seen.recall(tracks)

    def forget(self, identity: int, tracks: Collection[tuple[str, int]]) -> None:
        """Erase what is known of a person's looks, and of the tracks given besides."""
        self._seen.forget(identity, tracks)

    def update(self, time: float, step: Sequence[FrameTracks], revisions: Sequence[Revision] = ()) -> list[Event]:
        """Take one step and return the events that it brings.

        Args:
            time: seconds on the run's clock.
            step: each camera's frame.
            revisions: the association's corrections that came with it.
        """
        self._last = max(self._last, time)
        self._ids.pass_time(self._last)
        self._tracks.pass_time(self._last)
        for tracks in step:
            if self._zero is None and tracks.frame.epoch is not None:
                self._zero = tracks.frame.epoch - tracks.frame.time
        events = self._revise(time, revisions)
        for tracks in step:
            events += self._presence(tracks)
            events += self._watch(tracks)
        events += self._departures(time)
        return events

    def finish(self) -> list[Event]:
        """The end of the run: everybody leaves."""
        events = self._revise(self._last)
        for camera, zones in self.places.zones.items():
            for name, zone in zones.items():
                for change, identity, moment, seconds in zone.finish():
                    events.append(self._zone_event(camera, name, zone, change, identity, moment, seconds))
        return events + [self._leave(key) for key in list(self._present)]

    def _date(self, time: float) -> str | None:
        if self._zero is None:
            return None
        return utc_text(self._zero + time)

    def _common(self, camera: str, track: int, time: float, identity: int | None = None) -> dict[str, Any]:
        known = self._ids.get((camera, track), 0) if identity is None else identity
        rounded = round(time, 3)
        return {"time": rounded, "date": self._date(rounded), "camera": camera, "track": track, "identity": known}

    def _revise(self, now: float, revisions: Sequence[Revision] = ()) -> list[Event]:
        """The corrections up to this step's time."""
        self._pending.extend(revisions)
        found: list[Event] = []
        while self._pending and self._pending[0].time <= now:
            change = self._pending.popleft()
            key = (change.camera, change.track)
            if self._ids.get(key, change.old) == change.new:
                continue
            self._ids[key] = change.new
            former = Former(change.old, round(now, 3), change.kind, change.score)
            self._seen.revise(key, former, change.new)
            if key in self._present:
                self._present[key].identity = change.new
            self.places.rename(change.camera, change.old, change.new)
            common = self._common(change.camera, change.track, change.time, change.new)
            found.append(RevisedEvent(**common, old=change.old, kind=change.kind, score=change.score))
        return found

    def _presence(self, tracks: FrameTracks) -> list[Event]:
        """Who came into view, and whose number is another one now."""
        camera, time = tracks.frame.camera, tracks.frame.time
        found: list[Event] = []
        self._seen.see(tracks)
        for track, identity in zip(tracks.ids.tolist(), tracks.global_ids.tolist(), strict=True):
            key = (camera, track)
            presence = self._present.get(key)
            before = self._ids.get(key)
            self._ids[key] = identity
            old = None if before == identity else before
            new = identity not in self._known
            if presence is not None:
                presence.identity, presence.last, presence.frames = identity, time, presence.frames + 1
                if old is None and not new:
                    continue  # as in most frames: nothing to tell
            common = self._common(camera, track, time)
            kind: Literal["merge", "split"] = "merge" if old is not None and identity < old else "split"
            if old is not None:
                self._seen.revise(key, Former(old, round(time, 3), kind), identity)
            why = self._why(key) if new or presence is None else {}
            if new:
                self._known.add(identity)
                found.append(IdentityEvent(**common, **why))
            if old is not None:
                found.append(RevisedEvent(**common, old=old, kind=kind))
                self.places.rename(camera, old, identity)
            if presence is None:
                self._present[key] = _Presence(identity, time, time)
                found.append(EnterEvent(**common, **why))
        return found

    def _why(self, key: tuple[str, int]) -> dict[str, Any]:
        """What the identity of a track rests on, and which ones it had before."""
        return {"grounds": self._seen.grounds(key), "former": self._seen.former(key)}

    def _departures(self, now: float) -> list[Event]:
        """Who has been out of view for long enough."""
        gone = [key for key, presence in self._present.items() if now - presence.last > self._leave_after]
        return [self._leave(key) for key in gone]

    def _leave(self, key: tuple[str, int]) -> Event:
        presence = self._present.pop(key)
        common = self._common(*key, presence.last, presence.identity)
        return LeaveEvent(**common, entered=round(presence.entered, 3), frames=presence.frames)

    def _watch(self, tracks: FrameTracks) -> list[Event]:
        """Zones and lines, by the feet in the source's full picture."""
        camera, time = tracks.frame.camera, tracks.frame.time
        zones, lines = self.places.zones.get(camera, {}), self.places.lines.get(camera, {})
        if not zones and not lines:
            return []
        boxes = tracks.xyxy.astype(np.float64)
        feet = np.column_stack(((boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3])) + tracks.frame.roi_origin
        ids, rows = np.unique(tracks.global_ids, return_index=True)
        feet = feet[rows]
        for identity, row in zip(ids.tolist(), rows.tolist(), strict=True):
            self._tracks[camera, identity] = int(tracks.ids[row])
        found: list[Event] = []
        for name, zone in zones.items():
            for change, identity, moment, seconds in zone.update(time, ids, feet):
                found.append(self._zone_event(camera, name, zone, change, identity, moment, seconds))
        for name, line in lines.items():
            for direction, identity in line.update(time, ids, feet):
                common = self._common(camera, self._tracks[camera, identity], time, identity)
                found.append(
                    LineCrossEvent(
                        **common, line=name, direction=direction, forward=line.forward, backward=line.backward
                    )
                )
        return found

    def _zone_event(
        self, camera: str, name: str, zone: ZoneWatch, change: str, identity: int, moment: float, seconds: float
    ) -> Event:
        common = self._common(camera, self._tracks.get((camera, identity), 0), moment, identity)
        if change == "enter":
            return ZoneEnterEvent(**common, zone=name, inside=zone.inside, total=zone.total)
        if change == "dwell":
            return DwellEvent(**common, zone=name, seconds=round(seconds, 3))
        return ZoneLeaveEvent(**common, zone=name, inside=zone.inside, total=zone.total, seconds=round(seconds, 3))
