"""Identities that outlive the process: one SQLite file, safe against crashes, that can be queried.

Tables, for use with any SQLite client:

* `tracks`: run, camera, track, identity, first and last (seconds since 1970), frames, feature (float16 blob,
  L2-normalised, the camera's mean removed; NULL without embedding);
* `cameras`: name, count and sum (float64 blob) of embeddings, from which a camera's mean is made;
* `runs`: run, origin (seconds since 1970 at second 0 of the run's clock);
* `network`: mark, by which the network is known that described the people.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.arrays import numbers, seconds, whole_numbers
from relaytrack.trackers.errors import TrackerInputError
from relaytrack.trackers.identities.arguments import identity_set, track_spans
from relaytrack.trackers.identities.store_erasing import erase, erase_unseen_since, keep_latest
from relaytrack.trackers.identities.store_file import StoreError, all_or_nothing, open_store, store_errors
from relaytrack.trackers.identities.store_queries import (
    embedding_lengths,
    following_number,
    read_camera_sums,
    read_identities,
    read_tracks,
)
from relaytrack.trackers.identities.store_rows import CameraSums, StoredIdentity, StoredTrack, camera_rows, track_rows
from relaytrack.trackers.identities.types import TrackKey, camera_name

_SWEEP = 600.0  # seconds of the tracks' time between two removals of what is older than `retain`
_MOST = 100  # tracks of one identity that a store with `retain` keeps


class IdentityStore:
    """Keeps identities in a file; every write is one transaction (write-ahead log).

    Args:
        path: the file; it is made, readable by its owner only, where it is missing.
        every: least seconds between two writes.
        origin: seconds since 1970 at second 0 of the run's clock; None takes the moment at which the run begins.
        retain: seconds; identities that were not seen for so long are erased as time goes on, and of the others all
            but the last 100 tracks. None keeps everything.

    Raises:
        StoreError: not a store of this version, or not writable.
        TrackerInputError: `retain` is not above 0.
        TimeError: a number of seconds is none.
    """

    def __init__(
        self, path: Path | str, every: float = 0.5, origin: float | None = None, retain: float | None = None
    ) -> None:
        if not isinstance(path, str | Path):
            raise StoreError(f"a store of identities is a file, not {path!r}")
        self._given_origin = None if origin is None else seconds(origin, "origin")
        self._retain = None if retain is None else seconds(retain, "retain")
        if self._retain is not None and self._retain <= 0:
            raise TrackerInputError(f"retain must be a number of seconds above 0, not {retain!r}")
        self._newest = self._swept = -np.inf  # seconds since 1970
        self.path = Path(path)
        self._every = seconds(every, "every")
        self._written = -np.inf
        self._db = open_store(self.path)
        self.run = 0
        self._origin = 0.0

    def __enter__(self) -> Self:
        """Use it in a with statement to close it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()

    def begin(self, origin: float | None = None) -> None:
        """Begin a run; `origin` is the time since 1970 at second 0 of its clock (default: the store's, else now).

        Raises:
            TimeError: it is no number.
            StoreError: the file cannot be written.
        """
        origin = self._given_origin if origin is None else origin
        self._origin = time.time() if origin is None else seconds(origin, "origin")
        with store_errors(self.path):
            row = self._db.execute("INSERT INTO runs(origin) VALUES (?) RETURNING run", (self._origin,)).fetchone()
        self.run = int(row[0])

    def due(self) -> bool:
        """Whether the last write is long enough ago."""
        return time.monotonic() - self._written >= self._every

    def write(self, tracks: Iterable[StoredTrack], following: int, cameras: CameraSums | None = None) -> None:
        """Write tracks of this run, the identity to be given next, and the cameras' sums, all or nothing.

        Raises:
            TrackerInputError: what is no track, no number or no sum; nothing is written then.
            TimeError: a time that is no number.
            StoreError: the disk is full or the file is locked.
        """
        rows, sums = track_rows(tracks, self.run, self._origin), camera_rows(cameras)
        number = int(whole_numbers([following], "following")[0])
        with store_errors(self.path), all_or_nothing(self._db):
            self._db.executemany("INSERT OR REPLACE INTO tracks VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
            self._db.executemany("INSERT OR REPLACE INTO cameras VALUES (?, ?, ?)", sums)
            self._db.execute("INSERT OR REPLACE INTO numbers VALUES ('next', ?)", (number,))
        self._written = time.monotonic()
        self._sweep(max((row[5] for row in rows), default=-np.inf))

    def _sweep(self, last: float) -> None:
        """Erase what is older than `retain`, every now and then; `last` is the time of the newest track written."""
        self._newest = max(self._newest, last)
        if self._newest == -np.inf:
            return  # no track was written yet
        if self._retain is not None and self._newest >= self._swept + _SWEEP:
            self._swept = self._newest
            self.thin(_MOST, self._newest - self._retain)

    def following(self) -> int:
        """The identity to be given next."""
        with store_errors(self.path):
            return following_number(self._db)

    def lengths(self) -> set[int]:
        """How many numbers the embeddings in the file have; none without embeddings, several by different networks."""
        with store_errors(self.path):
            return embedding_lengths(self._db)

    def network(self) -> bytes | None:
        """By what the network is known that described the people; None where nobody wrote it down."""
        with store_errors(self.path):
            row = self._db.execute("SELECT mark FROM network").fetchone()
        return None if row is None else bytes(row[0])

    def keep_network(self, mark: bytes) -> None:
        """Write down by what the network is known that describes people from now on.

        Raises:
            StoreError: the file cannot be written.
        """
        with store_errors(self.path):
            self._db.execute("INSERT OR REPLACE INTO network VALUES (1, ?)", (mark,))

    def tracks(self, identity: int | None = None) -> list[StoredTrack]:
        """Tracks of earlier runs and of this one, oldest first; times on this run's clock.

        Args:
            identity: only those of this one.

        Raises:
            TrackerInputError: the identity is no whole number.
            StoreError: the file cannot be read.
        """
        chosen = None if identity is None else min(identity_set([identity]))
        with store_errors(self.path):
            return read_tracks(self._db, self._origin, chosen)

    def cameras(self) -> dict[str, tuple[float, NDArray[np.float64]]]:
        """Count and sum of the embeddings of each camera."""
        with store_errors(self.path):
            return read_camera_sums(self._db)

    def identities(self, since: float = -np.inf, camera: str | None = None) -> list[StoredIdentity]:
        """Identities seen since a time (seconds since 1970), the latest first.

        Args:
            since: leave out those last seen before.
            camera: only those ever seen there.

        Raises:
            TrackerInputError: `since` is no number, or `camera` no text.
            StoreError: the file cannot be read.
        """
        if camera is not None:
            camera_name(camera)
        earliest = numbers(since, "since")
        if earliest.shape or np.isnan(earliest):
            raise TrackerInputError(f"since must be a number of seconds since 1970, not {since!r}")
        with store_errors(self.path):
            found = read_identities(self._db, float(earliest))
        return [item for item in found if camera is None or camera in item.cameras]

    def forget(self, identities: Iterable[int], tracks: Mapping[TrackKey, tuple[float, float]] | None = None) -> int:
        """Erase identities: their bytes are overwritten, in the write-ahead log too.

        The sums of cameras that saw only a few people go as well: they tell of each of them.

        Args:
            identities: whom.
            tracks: single tracks besides, by (camera, track id), with the first and last time at which they were seen
                (infinite if not known), since other runs may have the same numbers: seconds of this run's clock, or
                since 1970 where none began.

        Returns:
            the number of tracks erased.

        Raises:
            TrackerInputError: identities that are no whole numbers, tracks that are none; nobody is erased then.
            TimeError: a track's time is no number.
            StoreError: the file cannot be written.
        """
        names, spans = identity_set(identities), track_spans(tracks)
        with store_errors(self.path):
            return erase(self._db, names, spans, self._origin)

    def thin(self, tracks: int, before: float | None = None) -> None:
        """Keep the latest `tracks` of each identity, and none last seen before `before` (since 1970).

        Raises:
            TrackerInputError: `tracks` is no whole number from 0 on.
            TimeError: `before` is no number.
            StoreError: the file cannot be written.
        """
        most = int(whole_numbers([tracks], "tracks")[0])
        if most < 0:
            raise TrackerInputError(f"tracks must be a whole number from 0 on, not {tracks!r}")
        oldest = None if before is None else seconds(before, "before")
        with store_errors(self.path):
            keep_latest(self._db, most)
            if oldest is not None:
                erase_unseen_since(self._db, oldest)

    def close(self) -> None:
        """Close the file; the write-ahead log is folded in."""
        self._db.close()
