"""The statements that write people and sightings into the site's store; each works within a transaction."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Sequence
from typing import Any

from relaytrack.pipeline.results.correction import BY_HAND

_UPSERT = """INSERT INTO sightings (run, camera, track, identity, first, last, frames, quality, picture, embedding)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (run, camera, track) DO UPDATE SET identity = excluded.identity,
last = excluded.last, frames = excluded.frames, quality = excluded.quality,
picture = coalesce(excluded.picture, picture), embedding = coalesce(excluded.embedding, embedding)"""


def write_sightings(database: sqlite3.Connection, rows: Iterable[tuple[Any, ...]]) -> None:
    """Write sightings, anew or over what was known of them, in the order of the table's columns after `id`."""
    database.executemany(_UPSERT, rows)


def revise(
    database: sqlite3.Connection, key: tuple[int, str, int], identity: int, old: int, kind: str, score: float | None
) -> None:
    """A track (run, camera, track id) has another identity from now on; note the old one and why."""
    changed = database.execute(
        "UPDATE sightings SET identity = ? WHERE run = ? AND camera = ? AND track = ? AND identity != ?",
        (identity, *key, identity),
    ).rowcount
    if changed:
        database.execute("INSERT INTO former VALUES (?, ?, ?, ?, ?, ?, ?)", (*key, old, time.time(), kind, score))


_BY_HAND = """INSERT INTO former SELECT run, camera, track, identity, ?, 'manual', NULL FROM sightings
WHERE identity = ?"""


def expire(database: sqlite3.Connection, before: float) -> None:
    """Delete the sightings that ended before a moment, seconds since 1970."""
    database.execute("DELETE FROM sightings WHERE last < ?", (before,))
    database.execute(
        """DELETE FROM former WHERE NOT EXISTS (SELECT 1 FROM sightings s
        WHERE s.run = former.run AND s.camera = former.camera AND s.track = former.track)"""
    )


def describe(database: sqlite3.Connection, identity: int, *, name: str | None, watched: bool | None) -> None:
    """Set a person's name, and whether a return makes an event; None leaves it as it is."""
    database.execute("INSERT OR IGNORE INTO people (identity) VALUES (?)", (identity,))
    if name is not None:
        database.execute("UPDATE people SET name = ? WHERE identity = ?", (name, identity))
    if watched is not None:
        database.execute("UPDATE people SET watched = ? WHERE identity = ?", (int(watched), identity))


def move_name(database: sqlite3.Connection, old: int, new: int) -> None:
    """Give a person's name and watch to another number, which keeps its own name if it has one."""
    row = database.execute("SELECT name, watched FROM people WHERE identity = ?", (old,)).fetchone()
    if row is None:
        return
    database.execute("INSERT OR IGNORE INTO people (identity) VALUES (?)", (new,))
    database.execute(
        "UPDATE people SET name = CASE name WHEN '' THEN ? ELSE name END, watched = max(watched, ?) WHERE identity = ?",
        (row[0], row[1], new),
    )
    database.execute("DELETE FROM people WHERE identity = ?", (old,))


def merge(database: sqlite3.Connection, keep: int, gone: int) -> None:
    """Count everything of `gone` as of `keep`, whose name stays unless there is none."""
    database.execute(_BY_HAND, (time.time(), gone))
    database.execute("UPDATE sightings SET identity = ? WHERE identity = ?", (keep, gone))
    database.execute(
        """UPDATE events SET data = json_set(data, '$.grounds.rival', ?)
        WHERE kind IN ('identity', 'enter') AND json_extract(data, '$.grounds.rival') = ?""",
        (keep, gone),
    )
    database.execute(
        "UPDATE events SET identity = ?1, data = json_set(data, '$.identity', ?1) WHERE identity = ?2", (keep, gone)
    )
    move_name(database, gone, keep)
    database.execute("UPDATE merged SET new = ? WHERE new = ?", (keep, gone))
    database.execute("DELETE FROM merged WHERE old = ?", (keep,))
    database.execute("UPDATE OR IGNORE decided SET identity = ? WHERE identity = ?", (keep, gone))
    database.execute("UPDATE OR IGNORE decided SET other = ? WHERE kind = 'person' AND other = ?", (keep, gone))
    database.execute("DELETE FROM decided WHERE identity = ?", (gone,))
    database.execute("DELETE FROM decided WHERE kind = 'person' AND (other = ? OR identity = other)", (gone,))
    database.execute("INSERT OR REPLACE INTO merged (old, new) VALUES (?, ?)", (gone, keep))


def split(
    database: sqlite3.Connection, identity: int, sightings: Sequence[int]
) -> tuple[int, list[tuple[int, str, int]]]:
    """Give some of a person's sightings a new number.

    Returns:
        The number, and (run, camera, track) of its sightings.
    """
    # no number is given twice: files may still hold a forgotten person under the old one
    rows = database.execute("SELECT max(identity) FROM sightings UNION ALL SELECT max(number) FROM given").fetchall()
    new = max(*(int(row[0] or 0) + 1 for row in rows), BY_HAND)
    database.execute("DELETE FROM given")
    database.execute("INSERT INTO given VALUES (?)", (new,))
    places = ",".join("?" * len(sightings))
    database.execute(f"{_BY_HAND} AND id IN ({places})", (time.time(), identity, *sightings))
    database.execute(
        f"UPDATE sightings SET identity = ? WHERE identity = ? AND id IN ({places})", (new, identity, *sightings)
    )
    rows = database.execute("SELECT run, camera, track FROM sightings WHERE identity = ?", (new,)).fetchall()
    return new, [(row[0], row[1], row[2]) for row in rows]


def forget(database: sqlite3.Connection, identity: int) -> int:
    """Delete a person's sightings, name and events; returns how many sightings there were."""
    database.execute(
        """DELETE FROM former WHERE id = ?1 OR EXISTS (SELECT 1 FROM sightings s WHERE s.identity = ?1
        AND s.run = former.run AND s.camera = former.camera AND s.track = former.track)""",
        (identity,),
    )
    gone = database.execute("DELETE FROM sightings WHERE identity = ?", (identity,)).rowcount
    database.execute("DELETE FROM people WHERE identity = ?", (identity,))
    database.execute("DELETE FROM events WHERE identity = ?", (identity,))
    database.execute("DELETE FROM decided WHERE identity = ?", (identity,))
    database.execute("DELETE FROM decided WHERE kind = 'person' AND other = ?", (identity,))
    database.execute("INSERT OR IGNORE INTO forgotten (identity) VALUES (?)", (identity,))
    return int(gone)
