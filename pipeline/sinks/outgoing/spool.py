"""Events that wait for their receiver, on disk: they outlive the process and a receiver that is away."""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relaytrack.pipeline.errors import OutputError
from relaytrack.pipeline.results.correction import Correction, tells_of
from relaytrack.pipeline.results.folder import open_private
from relaytrack.trackers.identities.store_file import file_reason

DROPPED = "dropped"
_TABLES = """
CREATE TABLE IF NOT EXISTS waiting (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, camera TEXT, body TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS source (id TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Message:
    """One event on its way.

    Attributes:
        seq: its place in the order.
        id: the same in every try; a receiver that has seen it may pass over it.
        kind: the event's kind, "dropped" for a gap.
        camera: the camera's name, None where it concerns none.
        body: the event as JSON text, with its `id`.
    """

    seq: int
    id: str
    kind: str
    camera: str | None
    body: str


class Spool:
    """A queue on disk, in order, with a limit.

    Beyond the limit the oldest events go. An event `dropped` takes their place and tells how many were lost:
    `count`, and the ids `first` and `last` (null where they were lost before they had one).

    Safe for one writer and one sender on different threads; a second process is refused.

    Args:
        path: SQLite file; made if need be.
        limit: bytes of events that wait at the most.

    Raises:
        OutputError: the file cannot be used, or another run is using it.
    """

    def __init__(self, path: Path, *, limit: int = 200_000_000) -> None:
        self._path, self._limit = path, limit
        self._lock = threading.Lock()
        self._in_flight = 0  # events up to this one are with the sender
        self._lost = 0  # events that could not be written
        open_private(path, "ab").close()  # readable by its owner only
        with self._failing_as_output_error():
            self._database = sqlite3.connect(path, timeout=0.5, isolation_level=None, check_same_thread=False)
            try:
                self._database.execute("PRAGMA locking_mode=EXCLUSIVE")
                self._database.execute("PRAGMA journal_mode=WAL")
                self._database.execute("PRAGMA synchronous=NORMAL")
                self._database.execute("PRAGMA secure_delete=ON")  # who is forgotten leaves nothing in the file
                self._database.executescript(_TABLES)
                with self._change():
                    if not self._rows("SELECT id FROM source"):
                        self._database.execute("INSERT INTO source VALUES (?)", (secrets.token_hex(4),))
                self._source = str(self._rows("SELECT id FROM source")[0][0])
                self._bytes = int(self._rows("SELECT coalesce(sum(length(body)), 0) FROM waiting")[0][0])
            except sqlite3.Error:
                self._database.close()
                raise

    def __len__(self) -> int:
        with self._lock, self._failing_as_output_error():
            return int(self._rows("SELECT count(*) FROM waiting")[0][0])

    def add(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Put events at the end. Those that the disk cannot take are counted, and told of when it takes some again.

        Raises:
            OutputError: the disk did not take them.
        """
        rows = [
            (str(event["event"]), event.get("camera") or None, json.dumps(event, ensure_ascii=False))
            for event in events
        ]
        with self._lock:
            try:
                with self._failing_as_output_error(), self._change():
                    if self._lost:
                        lost = _gap(self._lost, None, None)
                        self._insert([(DROPPED, None, lost)])
                    self._insert(rows)
            except OutputError:
                self._lost += len(rows)
                raise
            self._lost = 0
            self._bytes += sum(len(body) for _, _, body in rows)
            if self._bytes > self._limit:
                with self._failing_as_output_error():
                    self._make_room()

    def take(self, most: int) -> list[Message]:
        """The oldest events, for sending; they stay until `done`."""
        with self._lock, self._failing_as_output_error():
            rows = self._rows("SELECT seq, kind, camera, body FROM waiting ORDER BY seq LIMIT ?", (most,))
            self._in_flight = int(rows[-1][0]) if rows else 0
            return [self._message(*row) for row in rows]

    def done(self, messages: Sequence[Message]) -> None:
        """The receiver has these events, the oldest ones."""
        with self._lock, self._failing_as_output_error():
            with self._change():
                self._remove(messages[-1].seq)
            self._in_flight = 0

    def refused(self, messages: Sequence[Message]) -> None:
        """The receiver will never take these events, the oldest ones: a gap takes their place."""
        with self._lock, self._failing_as_output_error():
            with self._change():
                last = messages[-1].seq
                gap = self._gap_of(self._until(last)) if messages[0].kind != DROPPED or len(messages) > 1 else None
                self._remove(last)
                if gap is not None:
                    self._insert([(DROPPED, None, gap)], seq=last)
            self._in_flight = 0

    def forget(self, correction: Correction) -> None:
        """Take out what waits of a person who is forgotten, without a gap; those just being sent go too.

        Raises:
            OutputError: the file cannot be written.
        """
        with self._lock, self._failing_as_output_error():
            rows = [
                row for row in self._rows("SELECT seq, body FROM waiting") if tells_of(json.loads(row[1]), correction)
            ]
            with self._change():
                self._database.executemany("DELETE FROM waiting WHERE seq = ?", [(seq,) for seq, _ in rows])
            self._bytes -= sum(len(body) for _, body in rows)
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close the file; what waits stays in it."""
        with self._lock, closing(self._database):
            pass

    # the inside: the lock is held

    def _make_room(self) -> None:
        """Drop the oldest events that are not with the sender, until a tenth of the limit is free."""
        rows, over = [], self._bytes - 0.9 * self._limit
        query = "SELECT seq, kind, body FROM waiting WHERE seq > ? ORDER BY seq"
        with closing(self._database.execute(query, (self._in_flight,))) as found:
            for row in found:
                rows.append(row)
                over -= len(row[2])
                if over <= 0:
                    break
        if not rows:
            return
        gap, last = self._gap_of(rows), rows[-1][0]
        with self._change():
            self._database.execute("DELETE FROM waiting WHERE seq > ? AND seq <= ?", (self._in_flight, last))
            self._insert([(DROPPED, None, gap)], seq=last)
        self._bytes -= sum(len(body) for _, _, body in rows) - len(gap)

    def _until(self, last: int) -> list[tuple[int, str, str]]:
        return self._rows("SELECT seq, kind, body FROM waiting WHERE seq <= ? ORDER BY seq", (last,))

    def _gap_of(self, rows: Sequence[tuple[int, str, str]]) -> str:
        """One gap for these rows and for the gaps among them."""
        gaps = [json.loads(body) for _, kind, body in rows if kind == DROPPED]
        ids = [self._id(seq) for seq, kind, _ in rows if kind != DROPPED]
        firsts = [gap["first"] for gap in gaps if gap["first"]] if rows[0][1] == DROPPED else []
        count = len(ids) + sum(int(gap["count"]) for gap in gaps)
        lasts = [*(gap["last"] for gap in gaps if gap["last"]), *ids]
        return _gap(count, (firsts or ids or [None])[0], (lasts or [None])[-1])

    def _remove(self, last: int) -> None:
        size = self._rows("SELECT coalesce(sum(length(body)), 0) FROM waiting WHERE seq <= ?", (last,))
        self._database.execute("DELETE FROM waiting WHERE seq <= ?", (last,))
        self._bytes -= int(size[0][0])

    def _insert(self, rows: Iterable[tuple[str, str | None, str]], seq: int | None = None) -> None:
        self._database.executemany(
            "INSERT INTO waiting (seq, kind, camera, body) VALUES (?, ?, ?, ?)", [(seq, *row) for row in rows]
        )

    def _rows(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        return self._database.execute(query, values).fetchall()

    def _id(self, seq: int) -> str:
        return f"{self._source}-{seq}"

    def _message(self, seq: int, kind: str, camera: str | None, body: str) -> Message:
        name = self._id(seq) + (f"-{DROPPED}" if kind == DROPPED else "")
        return Message(seq, name, kind, camera, f'{{"id": "{name}", {body[1:]}')

    @contextmanager
    def _change(self) -> Iterator[None]:
        """All of it or nothing."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    @contextmanager
    def _failing_as_output_error(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            locked = "locked" in str(error)
            reason = (
                "another run or sink is using it (option spool: another file)"
                if locked
                else file_reason(error, self._path)
            )
            raise OutputError(f"cannot use the file of waiting events {self._path}: {reason}") from error


def _gap(count: int, first: str | None, last: str | None) -> str:
    return json.dumps({"event": DROPPED, "camera": None, "count": count, "first": first, "last": last})
