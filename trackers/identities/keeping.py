"""Keeping the window in a store: what changed is written, earlier runs' identities are read back."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping

import numpy as np

from relaytrack.trackers.identities.growing import enlarged
from relaytrack.trackers.identities.store import IdentityStore
from relaytrack.trackers.identities.store_file import StoreError
from relaytrack.trackers.identities.store_rows import StoredTrack
from relaytrack.trackers.identities.types import Ints, TrackKey
from relaytrack.trackers.identities.window import Window

LOG = logging.getLogger("relaytrack.identities")
_MOST = 2_000  # tracks that are written at once, unless more are new
_FEW_CAMERAS = 64  # up to which their sums are written each time; of more, every `_PAUSE` seconds
_PAUSE = 10.0  # seconds before a store that could not be written is tried again


class WindowKeeper:
    """Writes tracks of a window to a store, each only when it changed.

    A store that cannot be written at the moment (the disk is full, somebody else holds it) is tried again later; until
    then the window holds what changed. Only tracks that leave the window meanwhile are missing in the store.

    Args:
        store: the file.
        window: the window, still empty; the identities of earlier runs enter its gallery.

    Raises:
        StoreError: the file cannot be read, or different networks wrote into it.
    """

    def __init__(self, store: IdentityStore, window: Window) -> None:
        self._store = store
        self._window = window
        self._kept_last, self._kept_identity = np.zeros(0), np.zeros(0, np.int64)  # by slot; identity -1: not kept
        self._summed = -math.inf  # when the cameras' sums were written last
        self._again = -math.inf  # not before this moment, after a failure
        lengths = sorted(store.lengths())
        if len(lengths) > 1:
            raise StoreError(
                f"{store.path}: its embeddings have {lengths[0]} and {lengths[1]} numbers, from different networks"
            )
        store.begin()
        window.following = store.following()
        table, appearance = window.table, window.pairs.appearance
        for length in lengths:
            table.widen(length, f"{store.path}: embeddings")
        for name, (count, total) in store.cameras().items():
            camera = table.cameras.setdefault(name, len(table.cameras))
            appearance.recall(camera, count, total)
        table.see(len(table.cameras))
        for track in store.tracks():
            if track.feature is not None:
                window.gallery.add(track.identity, track.feature[None], track.last)
        max_age = window.params.max_age
        window.gallery.age(-max_age if max_age > 0 else -np.inf)

    def due(self) -> bool:
        """Whether the last write is long enough ago."""
        return self._store.due() and time.monotonic() >= self._again

    def save(self, slots: Ints, *, last: bool = False, leaving: bool = False) -> None:
        """Write those of the tracks that changed since they were last written.

        Of more than `_MOST` tracks that go on, those that are new or have another identity are written, and the others
        in turn: thousands of people in view change with each frame.

        Args:
            slots: the tracks.
            last: there will be no other try.
            leaving: the tracks leave the window.

        Raises:
            StoreError: the last try fails: the disk is full or the file is locked.
        """
        table, appearance = self._window.table, self._window.pairs.appearance
        self._fit(table.size)
        named = table.identity[slots] != self._kept_identity[slots]
        changed = slots[named | (table.last[slots] != self._kept_last[slots])]
        if not last and not leaving and len(changed) > _MOST:
            changed = changed[self._most_wanted(changed)]
        before = self._kept_last[changed].copy(), self._kept_identity[changed].copy()
        self._kept_last[changed], self._kept_identity[changed] = table.last[changed], table.identity[changed]
        some = changed[(table.weight[changed] > 0) & (changed < len(self._window.pairs.centred))]
        centred = appearance.centre(table.feature[some], table.camera[some])
        features = dict(zip(some.tolist(), centred, strict=True))
        out = []
        for slot in changed.tolist():
            camera, track = table.key(slot)
            first, until, frames = float(table.start[slot]), float(table.last[slot]), int(table.frames[slot])
            identity, feature = int(table.identity[slot]), features.get(slot)
            out.append(StoredTrack(camera, track, identity, first, until, frames, feature))
        sums = None
        if last or len(table.cameras) <= _FEW_CAMERAS or time.monotonic() >= self._summed + _PAUSE:
            self._summed = time.monotonic()
            names, known = list(table.cameras), table.slots()
            known = known[table.weight[known] > 0]
            found = appearance.sums(table.feature[known], table.camera[known])
            sums = {names[camera]: value for camera, value in found.items()}
        try:
            self._store.write(out, self._window.following, sums)
        except StoreError as error:
            if last:
                raise
            self._kept_last[changed], self._kept_identity[changed] = before
            if self._again == -math.inf:
                LOG.warning("%s; identities are kept in memory, and the file is tried again", error)
            self._again = time.monotonic() + _PAUSE
        else:
            if self._again > -math.inf:
                LOG.warning("the store of identities works again")
            self._again = -math.inf

    def erase(self, slots: list[int], identities: set[int], tracks: Mapping[TrackKey, tuple[float, float]]) -> None:
        """Erase identities and single tracks from the store; `slots` are those that leave the window.

        Raises:
            StoreError: the file is locked.
        """
        self._kept_identity[[slot for slot in slots if slot < len(self._kept_identity)]] = -1
        self._store.forget(identities, tracks)
        appearance, names = self._window.pairs.appearance, list(self._window.table.cameras)
        kept = self._store.cameras()
        for camera, name in enumerate(names):
            if name not in kept:
                appearance.forget(camera)

    def recall(self, identity: int) -> None:
        """Know an identity again by what the store holds of it."""
        for track in self._store.tracks(identity):
            if track.feature is not None:
                self._window.gallery.add(identity, track.feature[None], track.last)

    def let_go(self, slots: Ints) -> None:
        """Write tracks that leave the window for the last time."""
        self.save(slots, leaving=True)
        self._kept_identity[slots] = -1

    def _fit(self, size: int) -> None:
        """Make room for so many slots."""
        if size > len(self._kept_identity):
            self._kept_last = enlarged(self._kept_last, size)
            self._kept_identity = enlarged(self._kept_identity, size, -1)

    def _most_wanted(self, changed: Ints) -> Ints:
        """Which of these tracks (N,) are written now: new and corrected ones, then those not written for longest."""
        named = self._window.table.identity[changed] != self._kept_identity[changed]
        order = np.lexsort((changed, self._kept_last[changed], ~named))
        return np.sort(order[: max(_MOST, int(np.count_nonzero(named)))])
