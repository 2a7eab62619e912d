"""Corrections by hand while a run goes on: numbers that are one person, tracks of somebody else, people to forget.

`Corrections` stands around the identity service, so that boxes, events, files and pages all follow.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from relaytrack.pipeline.foreign import told_by_name
from relaytrack.pipeline.identity.answers import ask
from relaytrack.pipeline.identity.interface import IdentityService, IdentityStatus, TunableService
from relaytrack.pipeline.identity.messages import IdentityAnswer, TrackletMessage
from relaytrack.pipeline.identity.same_people import SamePeople
from relaytrack.pipeline.records import Ints
from relaytrack.pipeline.remembered import RecentMap
from relaytrack.trackers import GroundPlane, Revision
from relaytrack.trackers.identities.types import TrackKey

_REMEMBERED = 20_000  # tracks that were corrected by hand, or are to be left out
_LATELY = 600.0  # seconds for which the identity of a track that left is kept; lists know it after a minute
Rows = NDArray[np.bool_]
Times = Mapping[TrackKey, tuple[float, float]]
"""When tracks were seen first and last, seconds on the run's clock."""


class Corrections:
    """An identity service with an operator's corrections on top.

    Args:
        merged: number -> the number that it goes by, from earlier.
        cannot_link: pairs of numbers that are two people, from earlier.
    """

    def __init__(self, merged: Mapping[int, int] | None = None, cannot_link: Iterable[frozenset[int]] = ()) -> None:
        self._inner: IdentityService | None = None
        self._changing = threading.RLock()
        self._people = SamePeople(merged, cannot_link)
        self._own: dict[TrackKey, int] = {}
        self._last = RecentMap[TrackKey, int](_LATELY)
        self._parts = RecentMap[TrackKey, int](_LATELY)  # tracks that go on under another id
        self._forgotten: OrderedDict[TrackKey, None] = OrderedDict()
        self._pending: list[tuple[TrackKey, int, int]] = []
        self._corrected = 0

    def wrap(self, inner: IdentityService) -> Corrections:
        """Use this identity service from now on. `identity.far_corrections` is for a service on another machine."""
        self._inner = inner
        return self

    def recall(self, merged: Mapping[int, int], cannot_link: Iterable[frozenset[int]] = ()) -> None:
        """Add the merges, and the pairs that are two people, of earlier starts of the run."""
        with self._changing:
            self._people.recall(merged, cannot_link)

    @property
    def _service(self) -> IdentityService:
        assert self._inner is not None, "wrap comes first"
        return self._inner

    # what operators say

    def merge(self, keep: int, gone: int, tracks: Iterable[TrackKey] = ()) -> None:
        """From now on `gone` counts as `keep`; `tracks` are older tracks of `gone`, whose change is reported too."""
        with self._changing:
            self._people.merge(keep, gone)
            for key, new in self._own.items():
                if new == gone:
                    self._own[key] = keep
            self._pending += [(key, gone, keep) for key in tracks if key not in self._last]
            self._revise((key for key, identity in self._last.items() if identity == gone), keep)

    def forbid_link(self, one: int, other: int) -> None:
        """From now on these are two people: no track of one becomes the other."""
        with self._changing:
            self._people.forbid_link(one, other)

    def separate(self, tracks: Iterable[TrackKey], new: int, old: int = 0) -> None:
        """From now on these tracks belong to `new`; `old` is the number that older ones among them had."""
        with self._changing:
            chosen = list(tracks)
            self._own.update(dict.fromkeys(chosen, new))
            self._pending += [(key, old, new) for key in chosen if old and key not in self._last]
            self._revise((key for key in chosen if key in self._last), new)

    def forget_person(self, person: int, tracks: Times) -> frozenset[TrackKey]:
        """Erase a person from the service and its store, and leave their tracks out from now on.

        Args:
            person: whom.
            tracks: their tracks as far as they are known elsewhere.

        Returns:
            all their tracks.

        Raises:
            TrackerError: the store cannot be written.
        """
        with self._changing:
            names = self._people.names(person)
            known = dict(tracks)
            for key, identity in self._last.items():
                if identity == person:
                    known.setdefault(key, (0.0, math.inf))
            self._forgotten.update(dict.fromkeys(known))
            while len(self._forgotten) > _REMEMBERED:
                self._forgotten.popitem(last=False)
            self._service.forget(names, known)
            self._people.forget(names)
            for key in known:
                self._last.pop(key)
                self._own.pop(key, None)
            self._pending = [entry for entry in self._pending if entry[0] not in known]
            return frozenset(known)

    def _revise(self, keys: Iterable[TrackKey], new: int) -> None:
        for key in list(keys):
            if self._last[key] != new:
                self._pending.append((key, self._last[key], new))
                self._last[key] = new

    def tune(self, values: Mapping[str, float]) -> bool:
        """Give the service other weights; False where it takes none while it works.

        Raises:
            TrackerError: the values make no sense.
        """
        if not isinstance(self._inner, TunableService):
            return False
        self._inner.tune(values)
        return True

    # the service

    def update(self, messages: Sequence[TrackletMessage]) -> IdentityAnswer:
        """See `IdentityService.update`; tracks of people who were forgotten get the identity 0."""
        with self._changing:
            shown = self.shown(messages)
            return self.corrected(messages, shown, ask(self._service, picked(messages, shown)))

    def shown(self, messages: Sequence[TrackletMessage]) -> list[Rows]:
        """For each message (N,) which of its tracks may be shown: those of people who were not forgotten."""
        with self._changing:
            return [self._shown(message) for message in messages]

    def corrected(
        self, messages: Sequence[TrackletMessage], shown: Sequence[Rows], answer: IdentityAnswer
    ) -> IdentityAnswer:
        """Turn the service's answer to the `shown` tracks into a corrected answer to all tracks of the messages."""
        with self._changing:
            time = max((message.frame.time for message in messages), default=0.0)
            changed = bool(
                self._people.merged or self._people.cannot_link or self._own or self._pending or self._forgotten
            )
            kept = [self._corrected_revision(change) for change in answer.revisions]
            revisions = [one for one in kept if one is not None] if changed else list(answer.revisions)
            for (camera, track), old, new in self._pending:
                revisions.append(Revision("merge" if new < old else "split", old, new, camera, track, time))
            self._corrected += len(self._pending)
            self._pending.clear()
            ids, names = [], []
            for message, rows, own, found in zip(messages, shown, answer.track_ids, answer.global_ids, strict=True):
                one, other = self._answer(message, rows, own, found)
                ids.append(one)
                names.append(other)
            self._last.pass_time(time)
            self._parts.pass_time(time)
            while len(self._own) > _REMEMBERED:
                del self._own[next(iter(self._own))]
        return IdentityAnswer(tuple(ids), tuple(names), tuple(revisions))

    def _shown(self, message: TrackletMessage) -> Rows:
        """(N,) which tracks of a message may be shown: those of people who were not forgotten."""
        if not self._forgotten:
            return np.ones(len(message.ids), bool)
        camera = message.frame.camera
        present = ((camera, self._parts.get((camera, track), track)) for track in message.ids.tolist())
        return np.array([key not in self._forgotten for key in present], bool)

    def _answer(self, message: TrackletMessage, rows: Rows, own: Ints, found: Ints) -> tuple[Ints, Ints]:
        """Identities and track ids of a whole message, from the answer for those rows that the service saw."""
        camera = message.frame.camera
        ids, tracks = np.zeros(len(message.ids), np.int64), message.ids.copy()
        tracks[rows] = own
        pairs = zip(own.tolist(), found.tolist(), strict=True)
        ids[rows] = [self._of((camera, track), identity) for track, identity in pairs]
        for raw, track, identity in zip(message.ids.tolist(), tracks.tolist(), ids.tolist(), strict=True):
            if raw != track:
                self._parts[camera, raw] = track
            if identity:
                self._last[camera, track] = identity
        return ids, tracks

    def _of(self, key: TrackKey, identity: int) -> int:
        own = self._own.get(key)
        if own is not None:
            return own
        identity, before = self._people.merged.get(identity, identity), self._last.get(key)
        if before is not None and frozenset((before, identity)) in self._people.cannot_link:
            identity = self._own[key] = before
        return identity

    def _corrected_revision(self, change: Revision) -> Revision | None:
        """A revision as it looks under the corrections; None where nothing changes."""
        key = (change.camera, change.track)
        if key in self._forgotten:
            return None
        old, new = self._last.get(key, self._people.merged.get(change.old, change.old)), self._of(key, change.new)
        if old == new:
            return None
        if key in self._last:
            self._last[key] = new
        return replace(change, old=old, new=new)

    def calibrate(self, camera: str, plane: GroundPlane | None) -> None:
        """See `IdentityService.calibrate`."""
        self._service.calibrate(camera, plane)

    def forget(self, identities: Collection[int], tracks: Times) -> None:
        """See `IdentityService.forget`; `forget_person` is for what operators say."""
        self._service.forget(identities, tracks)

    def final_identities(self) -> Mapping[TrackKey, int]:
        """See `IdentityService.final_identities`."""
        with self._changing:
            with told_by_name("identity service", self._service):
                final = self._service.final_identities().items()
            return {key: self._of(key, identity) for key, identity in final if key not in self._forgotten}

    def status(self) -> IdentityStatus:
        """See `IdentityService.status`."""
        status = self._service.status()
        return IdentityStatus(status.watermark, status.messages, status.late, status.revisions + self._corrected)

    def close(self) -> None:
        """See `IdentityService.close`."""
        with told_by_name("identity service", self._service):
            self._service.close()


def picked(messages: Sequence[TrackletMessage], shown: Sequence[Rows]) -> list[TrackletMessage]:
    """Messages with those of their tracks that are shown."""
    return [message.of(rows) for message, rows in zip(messages, shown, strict=True)]
