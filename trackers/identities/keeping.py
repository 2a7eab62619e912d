"""Keeping the window in a store: what changed is written, earlier runs' identities are read back."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping

import numpy as np

from relaytrack.trackers.identities.store import IdentityStore
from relaytrack.trackers.identities.store_file import StoreError
from relaytrack.trackers.identities.store_rows import StoredTrack
from relaytrack.trackers.identities.types import Ints, TrackKey
from relaytrack.trackers.identities.window import Window

LOG = logging.getLogger("relaytrack.identities")
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
        self._kept: dict[int, tuple[float, int]] = {}
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

    def save(self, slots: Ints, *, last: bool = False) -> None:
        """Write those of the tracks that changed since they were last written.

        Args:
            slots: the tracks.
            last: there will be no other try.

        Raises:
            StoreError: the last try fails: the disk is full or the file is locked.
        """
        table, appearance = self._window.table, self._window.pairs.appearance
        out, changed = [], list[int]()
        for slot in slots.tolist():
            state = (float(table.last[slot]), int(table.identity[slot]))
            if self._kept.get(slot) == state:
                continue
            self._kept[slot] = state
            changed.append(slot)
            camera, track = table.key(slot)
            feature = None
            if table.weight[slot] > 0 and slot < len(self._window.pairs.centred):
                feature = appearance.centre(table.feature[slot : slot + 1], table.camera[slot : slot + 1])[0]
            first, frames = float(table.start[slot]), int(table.frames[slot])
            out.append(StoredTrack(camera, track, state[1], first, state[0], frames, feature))
        names = list(table.cameras)
        known = table.slots()
        known = known[table.weight[known] > 0]
        sums = appearance.sums(table.feature[known], table.camera[known])
        try:
            self._store.write(out, self._window.following, {names[camera]: value for camera, value in sums.items()})
        except StoreError as error:
            if last:
                raise
            for slot in changed:
                del self._kept[slot]
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
        for slot in slots:
            self._kept.pop(slot, None)
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
        self.save(slots)
        for slot in slots.tolist():
            self._kept.pop(slot, None)
