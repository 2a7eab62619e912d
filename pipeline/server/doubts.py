"""Doubtful decisions about a person: sightings that hardly look like them, and others who look just like them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from relaytrack.pipeline.records import Floats
from relaytrack.pipeline.server.people_records import TOGETHER, vector_of
from relaytrack.pipeline.server.store import SiteStore

MARGIN = 0.1
"""How far above the threshold a similarity still is doubtful, as a cosine."""
_MOST = 4  # of each kind
_MOST_SIGHTINGS = 400  # of a person, the newest
_PEOPLE = 500  # others that are compared, those seen last


@dataclass(frozen=True, slots=True)
class PersonDoubt:
    """Two pictures that are, or are not, of one person.

    Attributes:
        kind: "sighting": one of the person's own sightings hardly looks like the others; "person": somebody else looks
            like this person.
        other: who the second picture shows: the person's own number, or that of somebody else.
        sighting, compared: the sightings whose pictures stand side by side; the first one is in doubt.
        cameras: of both; times: of both, seconds since 1970.
        similarity: cosine of both looks, -1..1.
    """

    kind: Literal["sighting", "person"]
    other: int
    sighting: int
    compared: int
    cameras: tuple[str, str]
    times: tuple[float, float]
    similarity: float


class Doubts:
    """Finds doubtful decisions, and remembers what operators said of them.

    Args:
        store: the site's memory.
    """

    def __init__(self, store: SiteStore) -> None:
        self._store = store

    def of(self, identity: int, threshold: float) -> list[PersonDoubt]:
        """The doubts about a person that nobody has decided, the most doubtful of each kind first.

        Args:
            identity: who.
            threshold: cosine similarity from which two pictures count as one person.
        """
        rows = self._store.rows(
            """SELECT id, camera, first, last, embedding FROM sightings
            WHERE identity = ? AND embedding IS NOT NULL AND picture IS NOT NULL ORDER BY last DESC LIMIT ?""",
            (identity, _MOST_SIGHTINGS),
        )
        if not rows:
            return []
        looks = np.stack([vector_of(row["embedding"]) for row in rows])
        return self._own(identity, rows, looks, threshold) + self._others(identity, rows, looks, threshold)

    def _own(self, identity: int, rows: list[Any], looks: Floats, threshold: float) -> list[PersonDoubt]:
        """Sightings that look like none of the person's others."""
        if len(rows) < 2:
            return []
        decided = {row["other"] for row in self._decided("sighting", identity)}
        similar = looks @ looks.T
        np.fill_diagonal(similar, -2.0)
        best = similar.argmax(axis=1)
        found, asked = list[PersonDoubt](), set[frozenset[int]]()
        for place in np.argsort(similar.max(axis=1), kind="stable").tolist():
            other = int(best[place])
            pair = frozenset((place, other))
            value = float(similar[place, other])
            if value >= threshold + MARGIN or len(found) == _MOST:
                break
            if rows[place]["id"] in decided or pair in asked:
                continue
            asked.add(pair)
            found.append(_doubt("sighting", identity, rows[place], rows[other], value))
        return found

    def _others(self, identity: int, rows: list[Any], looks: Floats, threshold: float) -> list[PersonDoubt]:
        """People who look like this one, and were never in one camera at the same moment."""
        cannot_link = {row["other"] for row in self._decided("person", identity)}
        cannot_link |= {row["identity"] for row in self._store.rows(_TOGETHER_SQL, (identity, identity, TOGETHER))}
        others = self._store.rows(_BEST_OF_OTHERS, (identity, looks.shape[1] * 2, _PEOPLE))
        others = [row for row in others if row["identity"] not in cannot_link]
        if not others:
            return []
        similar = np.stack([vector_of(row["embedding"]) for row in others]) @ looks.T
        best = similar.argmax(axis=1)
        value = similar.max(axis=1)
        found = []
        for place in np.argsort(-value, kind="stable")[:_MOST].tolist():
            if value[place] >= threshold:
                row = others[place]
                found.append(_doubt("person", row["identity"], rows[int(best[place])], row, float(value[place])))
        return found

    # what operators said

    def confirm_sighting(self, identity: int, sighting: int) -> None:
        """This sighting is the person's; it is not asked again."""
        self._decide("sighting", [(identity, sighting)])

    def forbid_link(self, one: int, other: int) -> None:
        """These are two people; it is not asked again."""
        self._decide("person", [(one, other), (other, one)])

    def cannot_link(self) -> set[frozenset[int]]:
        """All pairs of people who are said to be two."""
        rows = self._store.rows("SELECT identity, other FROM decided WHERE kind = 'person'")
        return {frozenset((row["identity"], row["other"])) for row in rows}

    def _decided(self, kind: str, identity: int) -> list[Any]:
        return self._store.rows("SELECT other FROM decided WHERE kind = ? AND identity = ?", (kind, identity))

    def _decide(self, kind: str, pairs: list[tuple[int, int]]) -> None:
        with self._store.writing() as database:
            database.executemany(
                "INSERT OR IGNORE INTO decided (kind, identity, other) VALUES (?, ?, ?)",
                [(kind, one, other) for one, other in pairs],
            )


_TOGETHER_SQL = """SELECT DISTINCT b.identity FROM sightings a JOIN sightings b ON a.camera = b.camera AND a.id != b.id
WHERE a.identity = ? AND b.identity != ? AND min(a.last, b.last) - max(a.first, b.first) > ?"""
_BEST_OF_OTHERS = """SELECT id, identity, camera, first, last, embedding, max(quality) FROM sightings
WHERE identity != ? AND embedding IS NOT NULL AND picture IS NOT NULL AND length(embedding) = ?
GROUP BY identity ORDER BY max(last) DESC LIMIT ?"""


def _doubt(kind: Literal["sighting", "person"], other: int, one: Any, compared: Any, similarity: float) -> PersonDoubt:
    return PersonDoubt(
        kind,
        other,
        one["id"],
        compared["id"],
        (one["camera"], compared["camera"]),
        (one["first"], compared["first"]),
        round(similarity, 3),
    )
