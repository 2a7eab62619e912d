"""The identity service in this process: tracklet messages in, identities and corrections out."""

from __future__ import annotations

import logging
import math
import threading
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

from relaytrack.pipeline.identity.interface import IdentityStatus
from relaytrack.pipeline.identity.messages import IdentityAnswer, TrackletMessage
from relaytrack.pipeline.identity.store_lock import StoreLock
from relaytrack.pipeline.records import Ints
from relaytrack.trackers import GroundPlane, IdentityAssociator, IdentityStore

LOG = logging.getLogger("relaytrack.identities")
MAX_LATE = 4.0
"""Seconds by which a camera may be behind the others: the association takes a track for live for 5 s."""
_REMEMBERED = 200  # of a camera's tracks that left, whose last identity is kept for late messages


class LocalIdentityService:
    """The service in this process.

    Args:
        associator: decides; made with `max_late` at least as large as the one here.
        store: the associator's store, closed with the service.
        lock: of that store, let go after it.
        cameras: the order in which the cameras of one step are decided; others follow by name. The result then
            does not depend on the order in which messages arrive.
        max_late: seconds by which a message may be behind the newest one.
    """

    def __init__(
        self,
        associator: IdentityAssociator,
        *,
        store: IdentityStore | None = None,
        lock: StoreLock | None = None,
        cameras: Sequence[str] = (),
        max_late: float = MAX_LATE,
    ) -> None:
        self._associator = associator
        self._store = store
        self.lock = lock
        self._order = {name: place for place, name in enumerate(cameras)}
        self._max_late = max_late
        self._busy = threading.Lock()
        self._watermark = -math.inf
        self._newest: dict[str, float] = {}
        self._last: dict[str, dict[int, int]] = {}
        self._noted: dict[str, tuple[bytes, bytes]] = {}  # by camera, what was noted last
        self._late: Counter[str] = Counter()
        self._messages = self._revisions = 0

    def __getstate__(self) -> dict[str, Any]:
        """What a checkpoint keeps: all but the locks."""
        return {name: value for name, value in vars(self).items() if name not in ("_busy", "_noted", "lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        vars(self).update(state)
        self._noted = {}
        self._busy = threading.Lock()
        self.lock = None

    def update(self, messages: Sequence[TrackletMessage]) -> IdentityAnswer:
        """See `IdentityService.update`.

        Raises:
            TrackerError: a message's arrays do not fit together.
            OutputError: another process has taken the store over.
        """
        with self._busy:
            if self.lock is not None:
                self.lock.check()
            return self._update(messages)

    def _update(self, messages: Sequence[TrackletMessage]) -> IdentityAnswer:
        in_order = sorted(range(len(messages)), key=lambda place: self._place(messages[place]))
        used: list[int] = []
        late: list[int] = []
        for place in in_order:
            frame = messages[place].frame
            if self._in_time(frame.camera, frame.time):
                used.append(place)
            else:
                late.append(place)
                self._leave_out(frame.camera, frame.time)
        step = self._associator.update([messages[place].view() for place in used])
        self._messages += len(used)
        self._revisions += len(step.revisions)
        ids = [np.zeros(0, np.int64)] * len(messages)
        tracks = [message.ids for message in messages]
        for place, global_ids, track_ids in zip(used, step.global_ids, step.track_ids, strict=True):
            ids[place], tracks[place] = global_ids, track_ids
            self._note(messages[place], global_ids)
        for place in late:
            ids[place] = self.known(messages[place])
        for change in step.revisions:
            if change.track in (last := self._last.get(change.camera, {})):
                last[change.track] = change.new
                self._noted.pop(change.camera, None)
        return IdentityAnswer(tuple(ids), tuple(tracks), step.revisions)

    def _note(self, message: TrackletMessage, global_ids: Ints) -> None:
        """Remember the identities that a camera's tracks have got, of its last tracks only."""
        told = message.ids.tobytes(), global_ids.tobytes()
        if self._noted.get(message.frame.camera) == told:
            return
        self._noted[message.frame.camera] = told
        last = self._last.setdefault(message.frame.camera, {})
        now = dict(zip(message.ids.tolist(), global_ids.tolist(), strict=True))
        last.update(now)
        if len(last) > _REMEMBERED + len(now):
            kept = dict(islice(last.items(), len(last) - _REMEMBERED // 2, None))
            self._last[message.frame.camera] = kept | now

    def _place(self, message: TrackletMessage) -> tuple[int, str, float]:
        camera = message.frame.camera
        return self._order.get(camera, len(self._order)), camera, -message.frame.time

    def _in_time(self, camera: str, time: float) -> bool:
        """Whether a message may still count; takes note of it if so."""
        if not time >= self._watermark - self._max_late or time <= self._newest.get(camera, -math.inf):
            return False
        self._watermark = max(self._watermark, time)
        self._newest[camera] = time
        return True

    def _leave_out(self, camera: str, time: float) -> None:
        self._late[camera] += 1
        if self._late[camera] > 1:
            return
        if time < self._watermark - self._max_late:
            first = max(self._newest, key=lambda name: self._newest[name])
            LOG.warning(
                "camera %r: a frame is %.1f s behind one of camera %r and gets no new identities; is the offset of one "
                "of the two wrong?",
                camera,
                self._newest[first] - time,
                first,
            )
        else:
            LOG.warning("camera %r: a frame is not later than the one before and gets no new identities", camera)

    def known(self, message: TrackletMessage) -> Ints:
        """The identities that the tracks of a message had before, 0 where none is known."""
        last = self._last.get(message.frame.camera, {})
        return np.array([last.get(track, 0) for track in message.ids.tolist()], np.int64)

    @property
    def correcting(self) -> bool:
        """Whether a correction of all identities goes on over several steps."""
        return self._associator.correcting

    def tune(self, values: Mapping[str, float]) -> None:
        """See `IdentityAssociator.tune`.

        Raises:
            TrackerError: the values make no sense.
        """
        with self._busy:
            self._associator.tune(**values)

    def calibrate(self, camera: str, plane: GroundPlane | None) -> None:
        """See `IdentityService.calibrate`."""
        with self._busy:
            self._associator.calibrate(camera, plane)

    def forget(self, identities: Collection[int], tracks: Mapping[tuple[str, int], tuple[float, float]]) -> None:
        """See `IdentityService.forget`."""
        with self._busy:
            self._associator.forget(identities, tracks)
            self._noted.clear()
            for camera, last in self._last.items():
                for track in [one for one, name in last.items() if name in identities or (camera, one) in tracks]:
                    del last[track]

    def final_identities(self) -> Mapping[tuple[str, int], int]:
        """See `IdentityService.final_identities`."""
        with self._busy:
            return self._associator.finalize()

    def status(self) -> IdentityStatus:
        """See `IdentityService.status`."""
        watermark = None if self._watermark == -math.inf else self._watermark
        return IdentityStatus(watermark, self._messages, dict(self._late), self._revisions)

    def close(self) -> None:
        """See `IdentityService.close`."""
        if self._store is not None:
            self._store.close()
        if self.lock is not None:
            self.lock.release()
