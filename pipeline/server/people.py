"""People of the site: a sink that keeps who was seen where and when, with their best pictures and looks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from relaytrack.pipeline.config.schema import CameraConfig
from relaytrack.pipeline.records import Floats, FrameTracks, Image, Step
from relaytrack.pipeline.server.store import SiteStore
from relaytrack.pipeline.sinks.crop_quality import CropJudge
from relaytrack.pipeline.sinks.crops import cut, jpeg

_FLUSH = 1.0  # seconds between two writes
_IDLE = 30.0  # seconds unseen after which a track leaves the memory
_TOGETHER = 0.5  # seconds in one camera at once after which two are surely two
_BY_HAND = 100_001  # the first number that is given by hand: the association never comes that far
_BETTER = 1.15  # a new picture must be that much better


@dataclass(slots=True)
class _Sighting:
    identity: int
    first: float
    last: float
    frames: int = 0
    quality: float = -1.0
    picture: bytes | None = None
    embedding: Floats | None = None  # weighted sum
    dirty: bool = True


@dataclass(frozen=True, slots=True)
class Sighting:
    """One track of one person.

    Attributes:
        id: its number in the store; camera, track: where.
        identity: who; first, last: seconds since 1970; frames: how often.
        picture: whether there is a picture.
        likeness: cosine of its looks and the mean of the person's other sightings; None where nothing compares.
    """

    id: int
    camera: str
    track: int
    identity: int
    first: float
    last: float
    frames: int
    picture: bool
    likeness: float | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """One person.

    Attributes:
        identity: their number; name: as given by an operator; watched: whether a return makes an event.
        cameras: where they were seen; first, last: seconds since 1970; sightings: how often.
        picture: number of the sighting with the best picture, None without any.
        here: cameras that show them now.
    """

    identity: int
    name: str
    watched: bool
    cameras: tuple[str, ...]
    first: float
    last: float
    sightings: int
    picture: int | None
    here: tuple[str, ...] = field(default=())


class People:
    """Keeps sightings; what is seen now is in memory and goes to the store every second.

    Args:
        store: the site's memory.
        run: a number of this start, since track ids begin anew with each.
        retain: seconds after which sightings are deleted; None keeps them.
        on_return: told of (identity, camera) when a watched person is seen anew.
    """

    name = "site-people"
    needs_pixels = True

    def __init__(
        self,
        store: SiteStore,
        *,
        run: int | None = None,
        retain: float | None = None,
        on_return: Callable[[int, str, int], None] | None = None,
    ) -> None:
        self._store = store
        self._run = int(time.time() * 1000) if run is None else run
        self._runs: dict[str, int] = {}  # of cameras that left and came again
        self._retain = retain
        self._on_return = on_return
        self._tracks: dict[tuple[str, int], _Sighting] = {}
        self._judges: dict[str, CropJudge] = {}
        self._changing = threading.RLock()
        self._due = self._swept = 0.0
        self._forgotten: set[tuple[str, int]] = set()

    # the sink

    def write(self, step: Step) -> None:
        """Take note of a moment.

        Raises:
            OutputError: the disk is full.
        """
        with self._changing:
            for change in step.revisions:
                self._revise(change.camera, change.track, change.new)
            if step.revisions:
                self.flush()
                for old, new in {(change.old, change.new) for change in step.revisions}:
                    self._move_name(old, new)
            for tracks in step:
                self._take(tracks, step.images.get(tracks.frame.camera))
            now = time.monotonic()
            if now > self._due:
                self.flush()
                self._due = now + _FLUSH

    def _revise(self, camera: str, track: int, identity: int) -> None:
        known = self._tracks.get((camera, track))
        if known is not None:
            known.identity, known.dirty = identity, True
        else:
            with self._store.writing() as database:
                database.execute(
                    "UPDATE sightings SET identity = ? WHERE run = ? AND camera = ? AND track = ?",
                    (identity, self._runs.get(camera, self._run), camera, track),
                )

    def _move_name(self, old: int, new: int) -> None:
        """Where nobody is left under a number, its name goes with the person, unless there they have one."""
        if self._store.rows("SELECT 1 FROM sightings WHERE identity = ? LIMIT 1", (old,)):
            return
        row = self._store.rows("SELECT name, watched FROM people WHERE identity = ?", (old,))
        if not row:
            return
        with self._store.writing() as database:
            database.execute("INSERT OR IGNORE INTO people (identity) VALUES (?)", (new,))
            database.execute(
                "UPDATE people SET name = CASE name WHEN '' THEN ? ELSE name END, watched = max(watched, ?) "
                "WHERE identity = ?",
                (row[0]["name"], row[0]["watched"], new),
            )
            database.execute("DELETE FROM people WHERE identity = ?", (old,))

    def _take(self, tracks: FrameTracks, image: Image | None) -> None:
        frame = tracks.frame
        moment = frame.epoch if frame.epoch is not None else time.time()
        quality = self._judges.setdefault(frame.camera, CropJudge()).judge(tracks)
        embedded = np.isfinite(tracks.embeddings.sum(axis=1)) if tracks.embeddings.size else None
        for row, (track, identity) in enumerate(zip(tracks.ids.tolist(), tracks.global_ids.tolist(), strict=True)):
            key = (frame.camera, track)
            if not identity or key in self._forgotten:
                continue
            seen = self._tracks.get(key)
            if seen is None:
                seen = self._tracks[key] = _Sighting(identity, moment, moment)
                self._returned(identity, frame.camera, track)
            seen.identity, seen.last, seen.dirty = identity, moment, True
            seen.frames += 1
            good = float(quality[row])
            if image is not None and good > max(seen.quality * _BETTER, 0.0):
                part = cut(image, tracks.xyxy[row])
                if part is not None:
                    seen.quality, seen.picture = good, jpeg(part)
            if embedded is not None and embedded[row]:
                weighted = tracks.embeddings[row] * max(good, 1e-3)
                seen.embedding = weighted if seen.embedding is None else seen.embedding + weighted

    def _returned(self, identity: int, camera: str, track: int) -> None:
        """Tell of a watched person who comes into a camera's view."""
        if self._on_return is None:
            return
        row = self._store.rows("SELECT watched FROM people WHERE identity = ?", (identity,))
        if row and row[0]["watched"]:
            self._on_return(identity, camera, track)

    def flush(self) -> None:
        """Write what has changed, and let go of tracks that have ended.

        Raises:
            OutputError: the disk is full.
        """
        with self._changing:
            changed = [(key, seen) for key, seen in self._tracks.items() if seen.dirty]
            if changed:
                with self._store.writing() as database:
                    database.executemany(_UPSERT, [self._values(key, seen) for key, seen in changed])
                for _, seen in changed:
                    seen.dirty = False
            newest = max((seen.last for seen in self._tracks.values()), default=0.0)
            for key in [key for key, seen in self._tracks.items() if seen.last < newest - _IDLE]:
                del self._tracks[key]
            if self._retain is not None and time.monotonic() > self._swept + 600.0:
                self._swept = time.monotonic()
                with self._store.writing() as database:
                    database.execute("DELETE FROM sightings WHERE last < ?", (time.time() - self._retain,))

    def _values(self, key: tuple[str, int], seen: _Sighting) -> tuple[Any, ...]:
        vector = None
        if seen.embedding is not None:
            length = max(float(np.linalg.norm(seen.embedding)), 1e-12)
            vector = (seen.embedding / length).astype(np.float16).tobytes()
        return (
            self._runs.get(key[0], self._run),
            key[0],
            key[1],
            seen.identity,
            seen.first,
            seen.last,
            seen.frames,
            seen.quality,
            seen.picture,
            vector,
        )

    def camera_added(self, camera: CameraConfig) -> None:
        """Nothing to do before its first frame."""

    def camera_removed(self, name: str) -> None:
        """Write what it saw; a camera of that name that comes later numbers its tracks anew."""
        with self._changing:
            self.flush()
            for key in [key for key in self._tracks if key[0] == name]:
                del self._tracks[key]
            self._judges.pop(name, None)
            self._runs[name] = max(int(time.time() * 1000), self._runs.get(name, self._run) + 1)

    def close(self) -> None:
        """Write the rest."""
        self.flush()

    # questions

    def people(
        self, *, identity: int | None = None, camera: str | None = None, since: float | None = None, limit: int = 200
    ) -> list[Person]:
        """People, those seen last first."""
        self.flush()
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
        self.flush()
        rows = self._store.rows(
            "SELECT * FROM sightings WHERE identity = ? ORDER BY last DESC LIMIT ?", (identity, limit)
        )
        vectors = [None if row["embedding"] is None else _vector(row["embedding"]) for row in rows]
        known = [vector for vector in vectors if vector is not None]
        total = np.sum(known, axis=0) if known else None
        found = []
        for row, vector in zip(rows, vectors, strict=True):
            likeness = None
            if vector is not None and total is not None and len(known) > 1:
                others = total - vector
                likeness = round(float(vector @ others) / max(float(np.linalg.norm(others)), 1e-9), 3)
            found.append(_sighting(row, likeness))
        return found

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
    ) -> list[tuple[float, Sighting]]:
        """The sightings that look most like a vector, with their cosines, best first.

        Args:
            query: (D,) unit vector.
            camera: only sightings of this camera.
            since: only sightings that were not over before this moment, seconds since 1970.
            until: only sightings that began before this moment.
            limit: how many at the most.
        """
        self.flush()
        conditions, values = ["embedding IS NOT NULL", "length(embedding) = ?"], [2 * len(query)]
        given: Sequence[tuple[str, Any]] = (("camera = ?", camera), ("last >= ?", since), ("first <= ?", until))
        for text, value in given:
            if value is not None:
                conditions.append(text)
                values.append(value)
        rows = self._store.rows(f"SELECT id, embedding FROM sightings WHERE {' AND '.join(conditions)}", values)
        if not rows:
            return []
        known = np.stack([_vector(row["embedding"]) for row in rows])
        similar = known @ query
        best = np.argsort(-similar, kind="stable")[:limit].tolist()
        found = []
        for place in best:
            row = self._store.rows("SELECT * FROM sightings WHERE id = ?", (rows[place]["id"],))
            if row:
                found.append((round(float(similar[place]), 4), _sighting(row[0], None)))
        return found

    def looks(self, identity: int) -> Floats | None:
        """The mean of a person's looks, a unit vector; None where there are none."""
        self.flush()
        rows = self._store.rows(
            "SELECT embedding FROM sightings WHERE identity = ? AND embedding IS NOT NULL", (identity,)
        )
        if not rows:
            return None
        total = np.sum([_vector(row["embedding"]) for row in rows], axis=0)
        return np.asarray(total / max(float(np.linalg.norm(total)), 1e-12), np.float32)

    # what operators say

    def describe(self, identity: int, *, name: str | None = None, watched: bool | None = None) -> None:
        """Name a person, or watch for them."""
        with self._store.writing() as database:
            database.execute("INSERT OR IGNORE INTO people (identity) VALUES (?)", (identity,))
            if name is not None:
                database.execute("UPDATE people SET name = ? WHERE identity = ?", (name, identity))
            if watched is not None:
                database.execute("UPDATE people SET watched = ? WHERE identity = ?", (int(watched), identity))

    def merged(self) -> dict[int, int]:
        """Numbers that go by another one."""
        return {row["old"]: row["new"] for row in self._store.rows("SELECT old, new FROM merged")}

    def together(self, one: int, other: int) -> Sighting | None:
        """A sighting of `one` in a camera that saw `other` at the same time: they cannot be one person."""
        self.flush()
        rows = self._store.rows(
            """SELECT a.* FROM sightings a JOIN sightings b ON a.camera = b.camera AND a.id != b.id
            WHERE a.identity = ? AND b.identity = ? AND min(a.last, b.last) - max(a.first, b.first) > ? LIMIT 1""",
            (one, other, _TOGETHER),
        )
        return _sighting(rows[0], None) if rows else None

    def merge(self, keep: int, gone: int) -> None:
        """Count everything of `gone` as of `keep`, whose name stays unless there is none."""
        with self._changing:
            self.flush()
            for seen in self._tracks.values():
                if seen.identity == gone:
                    seen.identity = keep
            with self._store.writing() as database:
                database.execute("UPDATE sightings SET identity = ? WHERE identity = ?", (keep, gone))
                database.execute(
                    "UPDATE events SET identity = ?1, data = json_set(data, '$.identity', ?1) WHERE identity = ?2",
                    (keep, gone),
                )
                database.execute("INSERT OR IGNORE INTO people (identity) VALUES (?)", (keep,))
                database.execute(
                    """UPDATE people SET name = coalesce((SELECT name FROM people WHERE identity = ?), '')
                    WHERE identity = ? AND name = ''""",
                    (gone, keep),
                )
                database.execute("DELETE FROM people WHERE identity = ?", (gone,))
                database.execute("UPDATE merged SET new = ? WHERE new = ?", (keep, gone))
                database.execute("DELETE FROM merged WHERE old = ?", (keep,))
                database.execute("INSERT OR REPLACE INTO merged (old, new) VALUES (?, ?)", (gone, keep))

    def split(self, identity: int, sightings: Sequence[int]) -> tuple[int, list[tuple[str, int]]]:
        """Give some of a person's sightings a number of their own.

        Returns:
            The new number, and the (camera, track) of those that belong to this start.
        """
        with self._changing:
            self.flush()
            places = ",".join("?" * len(sightings))
            with self._store.writing() as database:
                row = database.execute("SELECT max(identity) FROM sightings").fetchone()
                new = max(int(row[0] or 0) + 1, _BY_HAND)
                database.execute(
                    f"UPDATE sightings SET identity = ? WHERE identity = ? AND id IN ({places})",
                    (new, identity, *sightings),
                )
                rows = database.execute(
                    "SELECT run, camera, track FROM sightings WHERE identity = ?", (new,)
                ).fetchall()
            now = [(row[1], row[2]) for row in rows if row[0] == self._runs.get(row[1], self._run)]
            for key in now:
                if key in self._tracks:
                    self._tracks[key].identity = new
        return new, now

    def forget(self, identity: int) -> int:
        """Delete a person's sightings, pictures, looks, name and events; returns how many sightings there were.

        Somebody who is in view at this moment is not kept until they come back as another track.
        """
        with self._changing:
            self.flush()
            here = [key for key, seen in self._tracks.items() if seen.identity == identity]
            for key in here:
                del self._tracks[key]
            self._forgotten.update(here)
            with self._store.writing() as database:
                gone = database.execute("DELETE FROM sightings WHERE identity = ?", (identity,)).rowcount
                database.execute("DELETE FROM people WHERE identity = ?", (identity,))
                database.execute("DELETE FROM events WHERE identity = ?", (identity,))
                database.execute("INSERT OR IGNORE INTO forgotten (identity) VALUES (?)", (identity,))
        return max(int(gone), len(here))


_UPSERT = """INSERT INTO sightings (run, camera, track, identity, first, last, frames, quality, picture, embedding)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (run, camera, track) DO UPDATE SET identity = excluded.identity,
last = excluded.last, frames = excluded.frames, quality = excluded.quality,
picture = coalesce(excluded.picture, picture), embedding = coalesce(excluded.embedding, embedding)"""


def _vector(data: bytes) -> Floats:
    return np.frombuffer(data, np.float16).astype(np.float32)


def _sighting(row: Any, likeness: float | None) -> Sighting:
    return Sighting(
        row["id"],
        row["camera"],
        row["track"],
        row["identity"],
        row["first"],
        row["last"],
        row["frames"],
        row["picture"] is not None,
        likeness,
    )
