"""Keeping the window in a store: what changed is written, earlier runs' identities are read back."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from relaytrack.trackers.identities.store import IdentityStore, StoredTrack
from relaytrack.trackers.identities.types import Ints, TrackKey
from relaytrack.trackers.identities.window import Window


class WindowKeeper:
    """Writes tracks of a window to a store, each only when it changed.

    Args:
        store: the file.
        window: the window, still empty; the identities of earlier runs enter its gallery.
    """

    def __init__(self, store: IdentityStore, window: Window) -> None:
        self._store = store
        self._window = window
        self._kept: dict[int, tuple[float, int]] = {}
        store.begin()
        window.following = store.following()
        table, appearance = window.table, window.pairs.appearance
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
        return self._store.due()

    def save(self, slots: Ints) -> None:
        """Write those of the tracks that changed since they were last written.

        Raises:
            StoreError: the disk is full or the file is locked.
        """
        table, appearance = self._window.table, self._window.pairs.appearance
        out = []
        for slot in slots.tolist():
            state = (float(table.last[slot]), int(table.identity[slot]))
            if self._kept.get(slot) == state:
                continue
            self._kept[slot] = state
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
        self._store.write(out, self._window.following, {names[camera]: value for camera, value in sums.items()})

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
