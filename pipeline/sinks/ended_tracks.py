"""Tracks that have ended, on the disk instead of in memory: their records and the sums of their embeddings.

They lie in a file of the output folder without a name; see `ended_file`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from relaytrack.pipeline.events.former import Former
from relaytrack.pipeline.records import Floats
from relaytrack.pipeline.results.identities import TrackRecord, track_record
from relaytrack.pipeline.sinks.ended_file import EndedFile
from relaytrack.trackers.identities.types import TrackKey


class EndedTracks:
    """The tracks of a run that nobody sees any more, in the order in which they ended.

    Args:
        folder: the output folder; nothing is written there before the first track.
    """

    def __init__(self, folder: Path) -> None:
        self._file = EndedFile(folder)
        self._count = 0
        self._next = 0

    def __len__(self) -> int:
        return self._count

    def put(self, record: TrackRecord, identity: int, embedding: Floats | None) -> None:
        """Take a track.

        Args:
            record: of the track.
            identity: the person.
            embedding: (D,) weighted sum of its embeddings, or None.

        Raises:
            OutputError: it cannot be written.
        """
        self._next += 1
        shown = bool(record.crops) or embedding is not None
        with self._file.writing() as file:
            file.execute("BEGIN")
            key = (self._next, record.camera, record.track, identity)
            values = (*key, record.first, record.last, shown, _text(record))
            file.execute("INSERT INTO tracks VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
            if embedding is not None:
                vector = np.asarray(embedding, np.float32).tobytes()
                file.execute("INSERT INTO embeddings VALUES (?, ?)", (self._next, vector))
            file.execute("COMMIT")
        self._count += 1

    def take(self, key: TrackKey) -> tuple[TrackRecord, int, Floats | None] | None:
        """Take a track out: its record, identity and sum of embeddings; None where it is not here.

        Raises:
            OutputError: the file cannot be read or written.
        """
        if not self._count:
            return None
        with self._file.writing() as file:
            row = file.execute(
                "SELECT place, identity, record, sum FROM tracks LEFT JOIN embeddings USING (place) "
                "WHERE camera = ? AND track = ?",
                key,
            ).fetchone()
            if row is None:
                return None
            self._drop(file, row[0])
        vector = None if row[3] is None else np.frombuffer(row[3], np.float32).copy()
        return _record(row[2]), int(row[1]), vector

    def rename(self, key: TrackKey, identity: int, former: Former | None = None) -> None:
        """Give a track another identity, if it is here.

        Args:
            key: the track.
            identity: its new identity.
            former: the one it had, to be noted.

        Raises:
            OutputError: the file cannot be read or written.
        """
        if not self._count:
            return
        with self._file.writing() as file:
            query = "SELECT place, record FROM tracks WHERE camera = ? AND track = ?"
            for place, text in file.execute(query, key).fetchall():  # one at the most
                record = _record(text)
                if former is not None:
                    record.was(former)
                values = (identity, _text(record), place)
                file.execute("UPDATE tracks SET identity = ?, record = ? WHERE place = ?", values)

    def take_first(self) -> TrackRecord:
        """Take out the track that ended first.

        Raises:
            OutputError: the file cannot be read or written.
        """
        with self._file.writing() as file:
            place, text = file.execute("SELECT place, record FROM tracks ORDER BY place LIMIT 1").fetchone()
            self._drop(file, place)
        return _record(text)

    def hide(self, limit: float) -> list[tuple[TrackRecord, int]]:
        """Forget pictures and embeddings of the tracks that ended before `limit`; gives these tracks as they were.

        Raises:
            OutputError: the file cannot be read or written.
        """
        if not self._count:
            return []
        out = []
        with self._file.writing() as file:
            query = "SELECT place, identity, record FROM tracks WHERE shown AND last < ? ORDER BY last, place"
            for place, identity, text in file.execute(query, (limit,)).fetchall():
                record = _record(text)
                out.append((record, int(identity)))
                bare = _text(replace(record, crops=[]))
                file.execute("UPDATE tracks SET shown = 0, record = ? WHERE place = ?", (bare, place))
                file.execute("DELETE FROM embeddings WHERE place = ?", (place,))
        return out

    def seen_since(self, identity: int, limit: float) -> bool:
        """Whether a track of a person ended at `limit` or later."""
        if not self._count:
            return False
        with self._file.writing() as file:
            query = "SELECT 1 FROM tracks WHERE identity = ? AND last >= ? LIMIT 1"
            return file.execute(query, (identity, limit)).fetchone() is not None

    def keys(self) -> list[tuple[TrackKey, int]]:
        """All tracks with their identities, in the order in which they ended."""
        if not self._count:
            return []
        with self._file.writing() as file:
            rows = file.execute("SELECT camera, track, identity FROM tracks ORDER BY place").fetchall()
        return [((camera, track), identity) for camera, track, identity in rows]

    def people(self) -> Iterator[int]:
        """The identities of all tracks here, in ascending order; the tracks must not change meanwhile."""
        if not self._count:
            return
        with self._file.writing() as file:
            for (identity,) in file.execute("SELECT DISTINCT identity FROM tracks ORDER BY identity"):
                yield identity

    def of(self, identity: int) -> Iterator[TrackRecord]:
        """A person's tracks one by one, by their first boxes, then by camera and track id; none must change meanwhile.

        Somebody who is always there has thousands: they are never in memory together.

        Raises:
            OutputError: the file cannot be read.
        """
        if not self._count:
            return
        query = "SELECT record FROM tracks WHERE identity = ? ORDER BY first, camera, track"
        with self._file.writing() as file:
            for (text,) in file.execute(query, (identity,)):
                yield _record(text)

    def embeddings(self) -> Iterator[tuple[TrackKey, Floats]]:
        """(D,) sum of embeddings of every track that has one, in the order in which they ended."""
        if not self._count:
            return
        with self._file.writing() as file:
            query = "SELECT camera, track, sum FROM tracks JOIN embeddings USING (place) ORDER BY place"
            for camera, track, vector in file.execute(query):
                yield (camera, track), np.frombuffer(vector, np.float32)

    def embedded(self) -> int:
        """How many tracks have an embedding."""
        if not self._count:
            return 0
        with self._file.writing() as file:
            return int(file.execute("SELECT count(*) FROM embeddings").fetchone()[0])

    def close(self) -> None:
        """Let go of the file, and of what it held."""
        self._file.close()
        self._count = 0

    def _drop(self, file: sqlite3.Connection, place: int) -> None:
        file.execute("DELETE FROM embeddings WHERE place = ?", (place,))
        file.execute("DELETE FROM tracks WHERE place = ?", (place,))
        self._count -= 1


def _text(record: TrackRecord) -> str:
    return json.dumps(asdict(record))


def _record(text: str) -> TrackRecord:
    return track_record(json.loads(text))
