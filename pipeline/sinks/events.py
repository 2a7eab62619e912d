"""`events.jsonl`: what happens, line by line while the run goes on; see `relaytrack.pipeline.events.schema`."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from relaytrack.pipeline.clock import WallClock
from relaytrack.pipeline.config.schema import CameraConfig, EventsConfig
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
from relaytrack.pipeline.events.zones import LineWatch, ZoneWatch
from relaytrack.pipeline.records import FrameTracks
from relaytrack.pipeline.results.folder import writing
from relaytrack.pipeline.sinks.base import Step
from relaytrack.pipeline.sinks.mot import TextFile

NAME = "events.jsonl"
OLD = "events-old.jsonl"


class Revision(Protocol):
    """A correction of the association; `trackers.Revision` is one."""

    @property
    def kind(self) -> Any:
        """ "merge" or "split"."""

    @property
    def old(self) -> int:
        """The identity so far."""

    @property
    def new(self) -> int:
        """The identity from now on."""

    @property
    def camera(self) -> str:
        """The track's camera."""

    @property
    def track(self) -> int:
        """The track's id."""

    @property
    def time(self) -> float:
        """When it was decided."""


@dataclass(slots=True)
class _Presence:
    """A track that is in view."""

    identity: int
    entered: float
    last: float
    frames: int = 1


class EventsSink:
    """Writes events as they happen.

    Args:
        folder: the output folder.
        cameras: the cameras with their zones and lines.
        settings: what is an event.
        revisions: hands over the association's corrections since the last call.
        clock: dates of a live run; None for files.
        rotate: bytes after which `events.jsonl` becomes `events-old.jsonl` and a new one begins.
        keep: identities and tracks that are remembered at the most.
    """

    def __init__(
        self,
        folder: Path,
        cameras: Sequence[CameraConfig],
        settings: EventsConfig,
        *,
        revisions: Callable[[], Sequence[Revision]] | None = None,
        clock: WallClock | None = None,
        rotate: int = 50_000_000,
        keep: int = 100_000,
    ) -> None:
        self._path = folder / NAME
        self._file = TextFile(self._path)
        self._leave_after = settings.leave_after
        self._take = revisions or (lambda: ())
        self._clock = clock
        self._rotate = rotate
        self._keep = keep
        self._pending: deque[Revision] = deque()
        self._present: dict[tuple[str, int], _Presence] = {}
        self._ids: dict[tuple[str, int], int] = {}  # of tracks of before, too
        self._known: dict[int, None] = {}
        self._tracks: dict[tuple[str, int], int] = {}  # the latest track of a person in a camera
        self._zones = {
            camera.name: {
                name: ZoneWatch(np.array(corners), settle=settings.settle, dwell=settings.dwell)
                for name, corners in camera.zones.items()
            }
            for camera in cameras
        }
        self._lines = {
            camera.name: {name: LineWatch(np.array(ends)) for name, ends in camera.lines.items()} for camera in cameras
        }
        self._last = 0.0

    def write(self, step: Step) -> None:
        """Report what the step changes.

        Raises:
            OutputError: the file cannot be written.
        """
        events: list[Event] = []
        now = max(tracks.frame.time for tracks in step)
        self._last = max(self._last, now)
        if self._clock is not None:
            self._clock.epoch(step[0].frame)
        events += self._revise(now)
        for tracks in step:
            events += self._presence(tracks)
            events += self._watch(tracks)
        events += self._departures(now)
        self._write(events)

    def _date(self, time: float) -> str | None:
        if self._clock is None or self._clock.zero is None:
            return None
        return datetime.fromtimestamp(self._clock.zero + time, UTC).isoformat(timespec="milliseconds")

    def _common(self, camera: str, track: int, time: float, identity: int | None = None) -> dict[str, Any]:
        known = self._ids.get((camera, track), 0) if identity is None else identity
        rounded = round(time, 3)
        return {"time": rounded, "date": self._date(rounded), "camera": camera, "track": track, "identity": known}

    def _revise(self, now: float) -> list[Event]:
        """The corrections up to this step's time."""
        self._pending.extend(self._take())
        found: list[Event] = []
        while self._pending and self._pending[0].time <= now:
            change = self._pending.popleft()
            key = (change.camera, change.track)
            if self._ids.get(key, change.old) == change.new:
                continue
            self._ids[key] = change.new
            if key in self._present:
                self._present[key].identity = change.new
            self._rename(change.camera, change.old, change.new)
            common = self._common(change.camera, change.track, change.time, change.new)
            found.append(RevisedEvent(**common, old=change.old, kind=change.kind))
        return found

    def _rename(self, camera: str, old: int, new: int) -> None:
        """A person in a zone or before a line has another number now."""
        for zone in self._zones.get(camera, {}).values():
            zone.rename(old, new)
        for line in self._lines.get(camera, {}).values():
            line.rename(old, new)

    def _presence(self, tracks: FrameTracks) -> list[Event]:
        """Who came into view, and whose number is another one now."""
        camera, time = tracks.frame.camera, tracks.frame.time
        found: list[Event] = []
        for track, identity in zip(tracks.ids.tolist(), tracks.global_ids.tolist(), strict=True):
            key = (camera, track)
            presence = self._present.get(key)
            before = self._ids.get(key)
            self._ids[key] = identity
            common = self._common(camera, track, time)
            if identity not in self._known:
                self._known[identity] = None
                found.append(IdentityEvent(**common))
            if before is not None and before != identity:
                found.append(RevisedEvent(**common, old=before, kind="merge" if identity < before else "split"))
                self._rename(camera, before, identity)
            if presence is None:
                self._present[key] = _Presence(identity, time, time)
                found.append(EnterEvent(**common))
            else:
                presence.identity, presence.last, presence.frames = identity, time, presence.frames + 1
        for memory in (self._ids, self._known, self._tracks):
            while len(memory) > self._keep:
                del memory[next(iter(memory))]  # type: ignore[arg-type]
        return found

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
        zones, lines = self._zones.get(camera, {}), self._lines.get(camera, {})
        if not zones and not lines:
            return []
        boxes = tracks.xyxy.astype(np.float64)
        feet = np.column_stack(((boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3])) + tracks.frame.origin
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

    def _write(self, events: Sequence[Event]) -> None:
        if not events:
            return
        self._file.write("".join(event.model_dump_json() + "\n" for event in events).encode())
        if self._file.size > self._rotate:
            self._file.close()
            with writing(self._path):
                os.replace(self._path, self._path.with_name(OLD))
            self._file = TextFile(self._path)

    def close(self) -> None:
        """Let everybody leave and close the file."""
        if self._file.closed:
            return
        events = self._revise(self._last)
        for camera, zones in self._zones.items():
            for name, zone in zones.items():
                for change, identity, moment, seconds in zone.finish():
                    events.append(self._zone_event(camera, name, zone, change, identity, moment, seconds))
        events += [self._leave(key) for key in list(self._present)]
        try:
            self._write(events)
        finally:
            self._file.close()


def append_revisions(
    folder: Path, changes: Sequence[tuple[str, int, int, int]], time: float, kind: Literal["final", "manual"]
) -> None:
    """Add what was changed after a run over files to its events.

    Args:
        folder: the output folder.
        changes: (camera, track, identity so far, final identity) each.
        time: the run's end.
        kind: by the association's last word, or by hand.

    Raises:
        OutputError: the file cannot be written.
    """
    path = folder / NAME
    if not path.exists() or not changes:
        return
    lines = [
        RevisedEvent(time=round(time, 3), camera=camera, track=track, identity=new, old=old, kind=kind)
        for camera, track, old, new in changes
    ]
    with writing(path), open(path, "ab", buffering=0) as file:
        file.write("".join(line.model_dump_json() + "\n" for line in lines).encode())
