"""What operators say of identities while the run goes on: two numbers are one person, or some tracks are another one.

`Corrections` stands around the identity service, so that boxes, events, files and pages all follow.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from relaytrack.pipeline.identity.messages import IdentityAnswer, TrackletMessage
from relaytrack.pipeline.identity.service import IdentityService, IdentityStatus
from relaytrack.pipeline.records import Ints
from relaytrack.trackers import GroundPlane, Revision

_REMEMBERED = 20_000  # tracks whose identity is kept
TrackKey = tuple[str, int]


class Corrections:
    """An identity service with an operator's corrections on top.

    Args:
        merged: number -> the number that it goes by, from earlier.
    """

    def __init__(self, merged: Mapping[int, int] | None = None) -> None:
        self._inner: IdentityService | None = None
        self._changing = threading.RLock()
        self._alias = dict(merged or {})
        self._own: dict[TrackKey, int] = {}
        self._last: OrderedDict[TrackKey, int] = OrderedDict()
        self._pending: list[tuple[TrackKey, int, int]] = []
        self._corrected = 0

    def wrap(self, inner: IdentityService) -> Corrections:
        """Stand around a service."""
        self._inner = inner
        return self

    @property
    def _service(self) -> IdentityService:
        assert self._inner is not None, "wrap comes first"
        return self._inner

    # what operators say

    def merge(self, keep: int, gone: int) -> None:
        """From now on `gone` is `keep`."""
        with self._changing:
            self._alias = {old: keep if new == gone else new for old, new in self._alias.items()} | {gone: keep}
            self._alias.pop(keep, None)
            for key, new in self._own.items():
                if new == gone:
                    self._own[key] = keep
            self._revise((key for key, identity in self._last.items() if identity == gone), keep)

    def separate(self, tracks: Iterable[TrackKey], new: int) -> None:
        """From now on these tracks are `new`."""
        with self._changing:
            chosen = list(tracks)
            self._own.update(dict.fromkeys(chosen, new))
            self._revise((key for key in chosen if key in self._last), new)

    def _revise(self, keys: Iterable[TrackKey], new: int) -> None:
        for key in list(keys):
            if self._last[key] != new:
                self._pending.append((key, self._last[key], new))
                self._last[key] = new

    # the service

    def update(self, messages: Sequence[TrackletMessage]) -> IdentityAnswer:
        """See `IdentityService.update`."""
        answer = self._service.update(messages)
        time = max((message.frame.time for message in messages), default=0.0)
        with self._changing:
            revisions = [kept for change in answer.revisions if (kept := self._corrected_revision(change)) is not None]
            for (camera, track), old, new in self._pending:
                revisions.append(Revision("merge" if new < old else "split", old, new, camera, track, time))
            self._corrected += len(self._pending)
            self._pending.clear()
            ids: list[Ints] = []
            for message, tracks, given in zip(messages, answer.track_ids, answer.global_ids, strict=True):
                camera = message.frame.camera
                found = [
                    self._of((camera, track), one) for track, one in zip(tracks.tolist(), given.tolist(), strict=True)
                ]
                ids.append(np.array(found, np.int64))
                for track, identity in zip(tracks.tolist(), found, strict=True):
                    self._last[camera, track] = identity
                    self._last.move_to_end((camera, track))
            while len(self._last) > _REMEMBERED:
                self._own.pop(self._last.popitem(last=False)[0], None)
        return IdentityAnswer(tuple(ids), answer.track_ids, tuple(revisions))

    def _of(self, key: TrackKey, identity: int) -> int:
        own = self._own.get(key)
        return self._alias.get(identity, identity) if own is None else own

    def _corrected_revision(self, change: Revision) -> Revision | None:
        """A revision as it looks under the corrections; None where nothing changes."""
        key = (change.camera, change.track)
        old, new = self._last.get(key, self._alias.get(change.old, change.old)), self._of(key, change.new)
        if old == new:
            return None
        if key in self._last:
            self._last[key] = new
        return Revision(change.kind, old, new, change.camera, change.track, change.time)

    def calibrate(self, camera: str, plane: GroundPlane | None) -> None:
        """See `IdentityService.calibrate`."""
        self._service.calibrate(camera, plane)

    def final_identities(self) -> Mapping[TrackKey, int]:
        """See `IdentityService.final_identities`."""
        with self._changing:
            return {key: self._of(key, identity) for key, identity in self._service.final_identities().items()}

    def status(self) -> IdentityStatus:
        """See `IdentityService.status`."""
        status = self._service.status()
        return IdentityStatus(status.watermark, status.messages, status.late, status.revisions + self._corrected)

    def close(self) -> None:
        """See `IdentityService.close`."""
        self._service.close()
