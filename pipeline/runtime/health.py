"""How a live run is doing, told while it runs: events about cameras, and `status.json`; freed memory is given back."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from relaytrack.pipeline.dates import utc_text
from relaytrack.pipeline.errors import RelayTrackError
from relaytrack.pipeline.events.schema import Event
from relaytrack.pipeline.events.site_events import (
    AdaptedEvent,
    CameraBackEvent,
    CameraLostEvent,
    ClockSetEvent,
    OverloadedEvent,
    RecordingBackEvent,
    RecordingLostEvent,
)
from relaytrack.pipeline.runtime.event_words import said
from relaytrack.pipeline.runtime.heap import return_freed_memory
from relaytrack.pipeline.runtime.load import LoadControl, Work
from relaytrack.pipeline.runtime.sink_thread import SinkStatus
from relaytrack.pipeline.runtime.snapshot import CameraStatus, Snapshot
from relaytrack.pipeline.runtime.status_file import StatusFile

LOG = logging.getLogger("relaytrack.engine")
_LOOK = 1.0  # seconds between two looks
_WRITE = 10.0  # seconds between two versions of status.json
_TRIM = 2.0  # seconds after which freed memory goes back to the system
_WINDOW = 10.0  # seconds over which dropped frames are counted
_OVERLOADED, _RELIEVED = 0.2, 0.1  # share of dropped frames that begins an overload, and that ends it
_REMIND = 300.0  # seconds after which a lasting overload is told again
_CLOCK_SET = 2.0  # seconds by which a clock that is set differs from the run's; less is told by nobody
_STOOD_STILL = 10.0  # seconds between two looks from which on the program must have been stopped
_FEWEST = 10  # frames that a share is made of
_GONE = ("waiting", "opening", "failed")


@dataclass(slots=True)
class _CameraHealth:
    seen: bool = False
    lost: float | None = None  # time at which it was lost
    told: float | None = None  # time at which its overload was told last, None without one
    counts: deque[tuple[float, int, int]] = field(default_factory=deque)  # time, frames that came out, dropped


class Health:
    """Finds out which cameras are lost, are back, or give more frames than the run has time for."""

    def __init__(self) -> None:
        self._cameras: dict[str, _CameraHealth] = {}
        self._looked: float | None = None  # time of the last look
        self._resumed = -math.inf  # time at which the program went on after a standstill
        self._unrecorded: float | None = None  # time from which on no recordings are written
        self._ahead = 0.0  # by how much the computer's clock was ahead of the run's

    def look_at_recordings(self, sink: SinkStatus | None, now: float, zero: float | None) -> list[Event]:
        """Whether recordings stop or begin again.

        Args:
            sink: the sink that writes the videos; None where there is none.
            now: seconds on the run's clock.
            zero: seconds since 1970 at the run's time 0.
        """
        common: dict[str, Any] = {"time": round(now, 3), "date": _date(zero, now)}
        failing = sink is not None and sink.state in ("retrying", "disabled")
        if sink is not None and failing and self._unrecorded is None:
            self._unrecorded = now
            return [RecordingLostEvent(**common, reason=sink.error or "they cannot be written")]
        if not failing and self._unrecorded is not None:
            seconds, self._unrecorded = round(now - self._unrecorded, 3), None
            return [RecordingBackEvent(**common, seconds=seconds)]
        return []

    def look_at_clock(self, ahead: float, now: float, zero: float | None) -> list[Event]:
        """Whether the computer's clock was set since the last look, or the computer slept.

        Args:
            ahead: seconds by which the computer's clock is ahead of the run's dates.
            now: seconds on the run's clock.
            zero: seconds since 1970 at the run's time 0.
        """
        set_by = ahead - self._ahead
        if abs(set_by) < _CLOCK_SET:
            return []
        self._ahead = ahead
        common: dict[str, Any] = {"time": round(now, 3), "date": _date(zero, now)}
        return [ClockSetEvent(**common, seconds=round(set_by, 1), ahead=round(ahead, 1))]

    def look(self, cameras: Mapping[str, CameraStatus], now: float, zero: float | None) -> list[Event]:
        """What has changed since the last look.

        Args:
            cameras: the cameras at present.
            now: seconds on the run's clock.
            zero: seconds since 1970 at the run's time 0.
        """
        found: list[Event] = []
        if self._looked is not None and now - self._looked > _STOOD_STILL:
            why = "it was stopped, or the computer slept"
            LOG.warning("%.0f s long the program stood still (%s); it has no pictures of them", now - self._looked, why)
            self._resumed = now
        self._looked = now
        if now - self._resumed <= _WINDOW:  # what waited meanwhile is dropped at once, and says nothing of the load
            for known in self._cameras.values():
                known.counts.clear()
        for name in [name for name in self._cameras if name not in cameras]:
            del self._cameras[name]
        for name, status in cameras.items():
            camera = self._cameras.setdefault(name, _CameraHealth())
            common: dict[str, Any] = {"time": round(now, 3), "date": _date(zero, now), "camera": name}
            if status.state == "running":
                if camera.lost is not None:
                    found.append(CameraBackEvent(**common, seconds=round(now - camera.lost, 3)))
                camera.seen, camera.lost = True, None
            elif camera.seen and camera.lost is None and status.live and status.state in _GONE:
                camera.lost = now
                found.append(CameraLostEvent(**common, reason=status.error or "no picture"))
            share = self._share(camera, status, now)
            if share is None or not status.live:
                continue
            if share < _RELIEVED:
                camera.told = None
            elif share >= _OVERLOADED and (camera.told is None or now - camera.told >= _REMIND):
                camera.told = now
                age = None if status.age_p95 is None else round(status.age_p95, 3)
                found.append(OverloadedEvent(**common, dropped=round(share, 3), age=age))
        return found

    def dropped(self, name: str) -> float | None:
        """The share of a camera's frames that was dropped in the last ten seconds; None where there were few."""
        camera = self._cameras.get(name)
        if camera is None or len(camera.counts) < 2:
            return None
        (_, out, lost), (_, out_now, lost_now) = camera.counts[0], camera.counts[-1]
        total = out_now - out + lost_now - lost
        return (lost_now - lost) / total if total >= _FEWEST else None

    def _share(self, camera: _CameraHealth, status: CameraStatus, now: float) -> float | None:
        counts = camera.counts
        counts.append((now, status.frames, status.dropped))
        while now - counts[0][0] > _WINDOW:
            counts.popleft()
        return self.dropped(status.name) if now - counts[0][0] > _WINDOW / 2 else None


class HealthWatch:
    """Looks every second, on a thread of its own.

    Args:
        snapshot: gives the run at present.
        now: gives seconds on the run's clock.
        tell: takes events; None where the run makes none.
        folder: where `status.json` is written; None writes none.
        load: sets the networks' effort; None leaves it.
        busy: gives the seconds that the networks have worked.
        adapted: told of every change of the effort: time, level and what is saved.
    """

    def __init__(
        self,
        snapshot: Callable[[], Snapshot],
        now: Callable[[], float],
        tell: Callable[[Sequence[Event]], object] | None,
        folder: Path | None,
        *,
        load: LoadControl | None = None,
        busy: Callable[[], float] = lambda: 0.0,
        adapted: Callable[[float, int, Sequence[str]], object] = lambda time, level, saved: None,
    ) -> None:
        self._load, self._busy, self._adapted = load, busy, adapted
        self._snapshot, self._now, self._tell = snapshot, now, tell
        self._file = StatusFile(folder)
        self._health = Health()
        self._ending = threading.Event()
        self._due = 0.0
        self._trim_due = time.monotonic() + _TRIM
        self._thread = threading.Thread(target=self._run, name="health", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End; `tell_end` follows when the run has come to its end."""
        if self._thread.ident is None or self._ending.is_set():
            return
        self._ending.set()
        self._thread.join(5.0)

    def tell_end(self) -> None:
        """Write the last `status.json`, which says how the run ended; nothing where it has not begun."""
        if self._ending.is_set():
            self._write(self._snapshot())

    def look(self) -> Snapshot:
        """Look once: tell what has changed, write `status.json` and give freed memory back when it is time to."""
        snapshot = self._snapshot()
        events = self._health.look(snapshot.cameras, self._now(), snapshot.zero)
        events += self._health.look_at_recordings(snapshot.sinks.get("video"), self._now(), snapshot.zero)
        events += self._health.look_at_clock(snapshot.ahead, self._now(), snapshot.zero)
        events += self._adapt(snapshot)
        for event in events:
            LOG.warning("%s", said(event))
        if events and self._tell is not None:
            self._tell(events)
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + _WRITE
            self._write(snapshot)
        if time.monotonic() >= self._trim_due:
            return_freed_memory()
            self._trim_due = time.monotonic() + _TRIM
        return snapshot

    def _adapt(self, snapshot: Snapshot) -> list[Event]:
        """Set the networks' effort by what the live cameras lose."""
        if self._load is None:
            return []
        live = [camera for camera in snapshot.cameras.values() if camera.live]
        frames, dropped = sum(camera.frames for camera in live), sum(camera.dropped for camera in live)
        if not self._load.look(Work(time.monotonic(), frames, dropped, self._busy())):
            return []
        effort, now = self._load.effort, round(self._now(), 3)
        self._adapted(now, effort.level, effort.names)
        return [AdaptedEvent(time=now, date=_date(snapshot.zero, now), level=effort.level, saved=effort.names)]

    def _write(self, snapshot: Snapshot) -> None:
        saved = () if self._load is None else self._load.effort.names
        self._file.write(snapshot, self._health.dropped, saved)

    def _run(self) -> None:
        while not self._ending.wait(_LOOK):
            try:
                self.look()
            except RelayTrackError:
                return  # of a receiver that ends the run, which the engine tells


def _date(zero: float | None, now: float) -> str | None:
    return None if zero is None else utc_text(zero + now)
