"""What can be asked about the people of the site: who was seen, where and when, and who looks like a picture."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from relaytrack.pipeline.errors import OutputError
from relaytrack.pipeline.events.known_tracks import MOST, EarlierTrack
from relaytrack.pipeline.records import Floats
from relaytrack.pipeline.results.grounds import MOST_TRACKS, Grounds, grounds_of
from relaytrack.pipeline.server.people_records import (
    TOGETHER,
    FormerNumber,
    Person,
    Sighting,
    sighting_of,
    unit,
    vector_of,
)
from relaytrack.pipeline.server.site_networks import SiteNetworks
from relaytrack.pipeline.server.store import SiteStore
from relaytrack.trackers.identities.types import TrackKey

_MOST_FORMER = 100


class PeopleQuestions:
    """Reads what the store knows; the base of `People`.

    Args:
        store: the site's memory.

    Attributes:
        networks: which network described people when.
    """

    def __init__(self, store: SiteStore) -> None:
        self._store = store
        self.networks = SiteNetworks(store)

    def flush(self) -> None:
        """Write what is only in memory, before a question is answered."""

    def _catch_up(self) -> None:
        """`flush` where that works; on a full disk the answer is what was written before."""
        with suppress(OutputError):
            self.flush()

    def people(
        self, *, identity: int | None = None, camera: str | None = None, since: float | None = None, limit: int = 200
    ) -> list[Person]:
        """People, those seen last first."""
        self._catch_up()
        conditions, values = ["1"], list[Any]()
        for text, value in (("s.identity = ?", identity), ("s.camera = ?", camera), ("s.last >= ?", since)):
            if value is not None:
                conditions.append(text)
                values.append(value)
        rows = self._store.rows(
            f"""SELECT s.identity, coalesce(p.name, '') AS name, coalesce(p.watched, 0) AS watched,
                group_concat(DISTINCT s.camera) AS cameras, min(s.first) AS first, max(s.last) AS last, count(*) AS n,
                (SELECT b.id FROM sightings b WHERE b.identity = s.identity AND b.picture IS NOT NULL
                 ORDER BY b.quality DESC LIMIT 1) AS picture
                FROM sightings s LEFT JOIN people p ON p.identity = s.identity
                WHERE {" AND ".join(conditions)} GROUP BY s.identity ORDER BY last DESC LIMIT ?""",
            [*values, limit],
        )
        return [
            Person(
                row["identity"],
                row["name"],
                bool(row["watched"]),
                tuple(sorted(row["cameras"].split(","))),
                row["first"],
                row["last"],
                row["n"],
                row["picture"],
            )
            for row in rows
        ]

    def sightings(self, identity: int, limit: int = 500) -> list[Sighting]:
        """A person's sightings, newest first."""
        self._catch_up()
        rows = self._store.rows(
            "SELECT * FROM sightings WHERE identity = ? ORDER BY last DESC LIMIT ?", (identity, limit)
        )
        vectors = [None if row["embedding"] is None else vector_of(row["embedding"]) for row in rows]
        known = [vector for vector in vectors if vector is not None]
        total = np.sum(known, axis=0) if known else None
        found = []
        for row, vector in zip(rows, vectors, strict=True):
            similarity = None
            if vector is not None and total is not None and len(known) > 1:
                others = total - vector
                similarity = round(float(vector @ unit(others)), 3)
            found.append(sighting_of(row, similarity))
        return found

    def grounds(self, identity: int) -> Grounds:
        """What a person's number rests on, by the newest sightings; see `pipeline.results.grounds`."""
        self._catch_up()
        rows = self._store.rows(
            """SELECT id, camera, identity, embedding, EXISTS (SELECT 1 FROM former f
            WHERE f.run = s.run AND f.camera = s.camera AND f.track = s.track) AS revised
            FROM sightings s WHERE embedding IS NOT NULL OR identity = ?1
            ORDER BY identity = ?1 DESC, last DESC LIMIT ?2""",
            (identity, MOST_TRACKS),
        )
        tracks: dict[int, list[tuple[TrackKey, bool]]] = {identity: []}
        looks: dict[TrackKey, Floats] = {}
        size = next((len(row["embedding"]) for row in rows if row["embedding"] is not None), 0)
        for row in rows:
            key = (row["camera"], row["id"])
            tracks.setdefault(row["identity"], []).append((key, bool(row["revised"])))
            if row["embedding"] is not None and len(row["embedding"]) == size:
                looks[key] = vector_of(row["embedding"])
        return grounds_of(tracks, looks, only=identity)[identity]

    def former(self, identity: int) -> list[FormerNumber]:
        """The numbers that a person's sightings had before, in the order of the corrections."""
        rows = self._store.rows(
            """SELECT f.* FROM former f JOIN sightings s ON s.run = f.run AND s.camera = f.camera AND s.track = f.track
            WHERE s.identity = ? ORDER BY f.epoch, f.rowid LIMIT ?""",
            (identity, _MOST_FORMER),
        )
        return [
            FormerNumber(row["id"], row["epoch"], row["kind"], row["score"], row["camera"], row["track"])
            for row in rows
        ]

    def earlier(self) -> list[EarlierTrack]:
        """The newest sightings, oldest first, for events of a new start to be compared with."""
        rows = self._store.rows(
            "SELECT camera, identity, embedding FROM sightings ORDER BY last DESC LIMIT ?", (MOST // 2,)
        )
        return [
            EarlierTrack(
                row["camera"],
                row["identity"],
                None if row["embedding"] is None else vector_of(row["embedding"]),
            )
            for row in reversed(rows)
        ]

    def picture(self, sighting: int) -> bytes | None:
        """A sighting's picture as JPEG."""
        rows = self._store.rows("SELECT picture FROM sightings WHERE id = ?", (sighting,))
        return bytes(rows[0]["picture"]) if rows and rows[0]["picture"] is not None else None

    def search(
        self,
        query: Floats,
        *,
        camera: str | None = None,
        since: float | None = None,
        until: float | None = None,
        limit: int = 24,
    ) -> list[Sighting]:
        """The sightings that look most like a vector, best first; `similarity` is the cosine with it.

        Args:
            query: (D,) unit vector.
            camera: only sightings of this camera.
            since: only sightings that were not over before this moment, seconds since 1970.
            until: only sightings that began before this moment.
            limit: how many at the most.
        """
        self._catch_up()
        conditions, values = ["embedding IS NOT NULL", "length(embedding) = ?"], [2 * len(query)]
        conditions.append(self.networks.comparable())
        given: Sequence[tuple[str, Any]] = (("camera = ?", camera), ("last >= ?", since), ("first <= ?", until))
        for text, value in given:
            if value is not None:
                conditions.append(text)
                values.append(value)
        rows = self._store.rows(f"SELECT id, embedding FROM sightings WHERE {' AND '.join(conditions)}", values)
        if not rows:
            return []
        known = np.stack([vector_of(row["embedding"]) for row in rows])
        similar = known @ query
        best = np.argsort(-similar, kind="stable")[:limit].tolist()
        found = []
        for place in best:
            row = self._store.rows("SELECT * FROM sightings WHERE id = ?", (rows[place]["id"],))
            if row:
                found.append(sighting_of(row[0], round(float(similar[place]), 4)))
        return found

    def looks(self, identity: int) -> Floats | None:
        """The mean of a person's looks, a unit vector; None where there are none."""
        self._catch_up()
        alike = self.networks.comparable()
        rows = self._store.rows(
            f"SELECT embedding FROM sightings WHERE identity = ? AND embedding IS NOT NULL AND {alike}", (identity,)
        )
        if not rows:
            return None
        return unit(np.sum([vector_of(row["embedding"]) for row in rows], axis=0))

    def merged(self) -> dict[int, int]:
        """Numbers that go by another one."""
        return {row["old"]: row["new"] for row in self._store.rows("SELECT old, new FROM merged")}

    def together(self, one: int, other: int) -> Sighting | None:
        """A sighting of `one` in a camera that saw `other` at the same time: they cannot be one person."""
        self._catch_up()
        rows = self._store.rows(
            """SELECT a.* FROM sightings a JOIN sightings b ON a.camera = b.camera AND a.id != b.id
            WHERE a.identity = ? AND b.identity = ? AND min(a.last, b.last) - max(a.first, b.first) > ? LIMIT 1""",
            (one, other, TOGETHER),
        )
        return sighting_of(rows[0]) if rows else None
