"""What is read from a store of identities: tracks, people, cameras' sums, and the number to be given next."""

from __future__ import annotations

import json
import sqlite3

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.identities.store_rows import StoredIdentity, StoredTrack


def following_number(file: sqlite3.Connection) -> int:
    """The identity to be given next: as written down, and above all that tracks have."""
    row = file.execute("SELECT value FROM numbers WHERE name = 'next'").fetchone()
    most = file.execute("SELECT coalesce(max(identity), 0) FROM tracks").fetchone()
    return max(int(row[0]) if row else 1, int(most[0]) + 1)


def embedding_lengths(file: sqlite3.Connection) -> set[int]:
    """How many numbers the embeddings of tracks and cameras have."""
    query = "SELECT length(feature) / 2 FROM tracks WHERE feature IS NOT NULL UNION SELECT length(sum) / 8 FROM cameras"
    return {int(length) for (length,) in file.execute(query)}


def read_tracks(file: sqlite3.Connection, origin: float, identity: int | None) -> list[StoredTrack]:
    """Tracks of all runs, oldest first.

    Args:
        file: the open store.
        origin: seconds since 1970 at second 0 of the clock that the tracks' times are given on.
        identity: only those of this one; None: all.
    """
    chosen = () if identity is None else (identity,)
    rows = file.execute(
        "SELECT camera, track, identity, first, last, frames, feature FROM tracks "
        f"{'WHERE identity = ?' if chosen else ''} ORDER BY last, run, camera, track",
        chosen,
    ).fetchall()
    out = []
    for camera, track, name, first, last, frames, blob in rows:
        feature = None if blob is None else np.frombuffer(blob, np.float16).astype(np.float32)
        out.append(StoredTrack(camera, track, name, first - origin, last - origin, frames, feature))
    return out


def read_camera_sums(file: sqlite3.Connection) -> dict[str, tuple[float, NDArray[np.float64]]]:
    """Count and sum (D,) of the embeddings of each camera, by name."""
    rows = file.execute("SELECT name, count, sum FROM cameras ORDER BY name").fetchall()
    return {name: (count, np.frombuffer(blob, np.float64).copy()) for name, count, blob in rows}


def read_identities(file: sqlite3.Connection, since: float) -> list[StoredIdentity]:
    """Identities last seen at `since` (seconds since 1970; may be -inf) or later, the latest first."""
    rows = file.execute(
        "SELECT identity, json_group_array(DISTINCT camera), min(first), max(last), count(*) FROM tracks "
        "GROUP BY identity HAVING max(last) >= ? ORDER BY max(last) DESC, identity",
        (max(since, -1e300),),
    ).fetchall()
    return [StoredIdentity(row[0], tuple(sorted(json.loads(row[1]))), *row[2:]) for row in rows]
