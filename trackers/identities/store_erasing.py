"""What is erased from a store of identities: single people, tracks beyond a number, and what is too old."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping

from relaytrack.trackers.identities.store_file import all_or_nothing
from relaytrack.trackers.identities.types import TrackKey

FEW = 20.0
"""Tracks of which a camera's sum tells too much of each one to be kept when one of them is forgotten."""
_SLACK = 2.0  # seconds between two clocks' times of one track


def erase(
    file: sqlite3.Connection, identities: Iterable[int], spans: Mapping[TrackKey, tuple[float, float]], origin: float
) -> int:
    """Erase identities and single tracks, and the sums of cameras that saw only a few people: all of it or nothing.

    Args:
        file: the open store; `secure_delete` is on.
        identities: whom.
        spans: (camera, track id) -> first and last time, seconds of a run's clock.
        origin: seconds since 1970 at second 0 of that clock.

    Returns:
        The number of tracks erased.
    """
    erased = 0
    cameras: set[str] = set()
    with all_or_nothing(file):
        for identity in sorted(identities):
            rows = file.execute("DELETE FROM tracks WHERE identity = ? RETURNING camera", (identity,)).fetchall()
            cameras |= {camera for (camera,) in rows}
            erased += len(rows)
        for (camera, track), (first, last) in spans.items():
            query = "DELETE FROM tracks WHERE camera = ? AND track = ? AND last >= ? AND first <= ? RETURNING camera"
            values = (camera, track, first + origin - _SLACK, last + origin + _SLACK)
            rows = file.execute(query, values).fetchall()
            cameras |= {camera for _ in rows}
            erased += len(rows)
        for camera in cameras:
            file.execute("DELETE FROM cameras WHERE name = ? AND count < ?", (camera, FEW))
    file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return erased


def keep_latest(file: sqlite3.Connection, tracks: int) -> None:
    """Erase all but the latest `tracks` tracks of each identity."""
    file.execute(
        "DELETE FROM tracks WHERE (run, camera, track) IN (SELECT run, camera, track FROM (SELECT run, camera, track, "
        "row_number() OVER (PARTITION BY identity ORDER BY last DESC, run DESC, camera, track) AS place FROM tracks) "
        "WHERE place > ?)",
        (tracks,),
    )


def erase_unseen_since(file: sqlite3.Connection, moment: float) -> None:
    """Erase identities last seen before a moment, seconds since 1970."""
    file.execute(
        "DELETE FROM tracks WHERE identity IN (SELECT identity FROM tracks GROUP BY identity HAVING max(last) < ?)",
        (moment,),
    )
