"""The identities of tracks that left the window, kept for the end of a run; 20 bytes each."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np

from relaytrack.trackers.identities.growing import enlarge
from relaytrack.trackers.identities.types import TrackKey


class ClosedTracks:
    """The latest closed tracks, in the order in which they were closed.

    Args:
        most: how many are remembered.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._names: dict[str, int] = {}
        self._count = 0
        self._camera = np.zeros(0, np.int32)
        self._track = np.zeros(0, np.int64)
        self._identity = np.zeros(0, np.int64)

    def __len__(self) -> int:
        return self._count

    def add(self, key: TrackKey, identity: int) -> None:
        """Note the identity of a track that is closed for good."""
        if self._count == self._most:
            self._keep(slice(max(self._most // 16, 1), self._count))
        if self._count == len(self._track):
            size = min(self._count + max(256, self._count // 4), self._most)
            enlarge(self, ("_camera", "_track", "_identity"), size)
        place = self._count
        self._camera[place] = self._names.setdefault(key[0], len(self._names))
        self._track[place], self._identity[place] = key[1], identity
        self._count += 1

    def items(self) -> Iterator[tuple[TrackKey, int]]:
        """Every track with its identity."""
        names = list(self._names)
        for place in range(self._count):
            yield (names[self._camera[place]], int(self._track[place])), int(self._identity[place])

    def forget(self, identities: Collection[int], tracks: Collection[TrackKey]) -> None:
        """Drop people and single tracks."""
        kept = [place for place, (key, one) in enumerate(self.items()) if one not in identities and key not in tracks]
        self._keep(np.array(kept, np.int64))

    def _keep(self, places: slice | np.ndarray) -> None:
        for values in (self._camera, self._track, self._identity):
            kept = values[: self._count][places].copy()
            values[:] = 0
            values[: len(kept)] = kept
        self._count = len(kept)
