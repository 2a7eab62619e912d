"""Events of the site: every one has a number that only grows, so that a reader can go on where it stopped."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any

from relaytrack.pipeline.clock import steady_time
from relaytrack.pipeline.dates import utc_text
from relaytrack.pipeline.records import Step
from relaytrack.pipeline.server.store import SiteStore

_PAGE = 500  # events read at once


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event with its number.

    Attributes:
        id: its number in the site.
        epoch: seconds since 1970 at which it was noted.
        data: the event as JSON text, with its `id`.
    """

    id: int
    epoch: float
    data: str


@dataclass(frozen=True, slots=True)
class Resumed:
    """Where a reader goes on.

    Attributes:
        start: the number after which events come; newest: the number of the newest event.
        gap: the last number that the reader knows and that of the oldest event which is kept, where some in between are
            gone or the reader's number is none of this site's.
    """

    start: int
    newest: int
    gap: dict[str, int] | None = None


class EventLog:
    """A sink that keeps the run's events and wakes those who wait for them.

    Args:
        store: the site's memory.
        retain: seconds after which events are deleted; None keeps them.
    """

    name = "site-events"
    on_error = "retry"  # a full disk does not stay full

    def __init__(self, store: SiteStore, *, retain: float | None = None) -> None:
        self._store = store
        self.retain = retain
        self._swept = 0.0
        self._waiting: set[_Waiter] = set()
        self._changing = threading.Lock()
        self.closing = False

    def write(self, step: Step) -> None:
        """Keep the step's events.

        Raises:
            OutputError: the disk is full.
        """
        # the old ones first: where that fails, the step is handed over again, and its events must come once
        if self.retain is not None and time.monotonic() > self._swept + 600.0:
            self._swept = time.monotonic()
            with self._store.writing() as database:
                database.execute("DELETE FROM events WHERE epoch < ?", (steady_time() - self.retain,))
        if step.events:
            self.add([event.model_dump(mode="json") for event in step.events])

    def add(self, events: Iterable[dict[str, Any]]) -> None:
        """Keep events and wake the readers."""
        now = steady_time()
        with self._store.writing() as database:
            for event in events:
                values = (now, event["event"], event["camera"], event["identity"], json.dumps(event))
                database.execute(
                    "INSERT INTO events (epoch, kind, camera, identity, data) VALUES (?, ?, ?, ?, ?)", values
                )
        self._wake()

    def _wake(self) -> None:
        with self._changing:
            waiting = list(self._waiting)
        for waiter in waiting:
            waiter.wake()

    def close(self) -> None:
        """Wake everybody for the last time."""
        self.closing = True
        self._wake()

    # reading

    def newest(self) -> int:
        """The number of the newest event, 0 where there is none."""
        row = self._store.rows("SELECT seq FROM sqlite_sequence WHERE name = 'events'")
        return int(row[0][0]) if row else 0

    def oldest(self) -> int:
        """The number of the oldest event that is kept; the next one's where there is none."""
        row = self._store.rows("SELECT min(id) FROM events")
        return self.newest() + 1 if row[0][0] is None else int(row[0][0])

    def resume(self, after: int | None) -> Resumed:
        """Where a reader goes on who knows all events up to `after`; None: with what comes from now on.

        A number that this site has not given yet is from another database, perhaps a lost one: then everything comes.
        """
        newest = self.newest()
        if after is None:
            return Resumed(newest, newest)
        oldest = self.oldest()
        if after <= newest and after + 1 >= oldest:
            return Resumed(after, newest)
        return Resumed(oldest - 1, newest, {"after": after, "oldest": oldest})

    def find(
        self,
        *,
        after: int = 0,
        before: int | None = None,
        kinds: Iterable[str] = (),
        camera: str | None = None,
        identity: int | None = None,
        since: float | None = None,
        until: float | None = None,
        limit: int = _PAGE,
        newest_first: bool = False,
    ) -> list[StoredEvent]:
        """Events in order of their numbers, at most `limit`."""
        wanted = tuple(kinds)
        conditions: list[tuple[str, tuple[Any, ...]]] = [("id > ?", (after,))]
        if before is not None:
            conditions.append(("id < ?", (before,)))
        if wanted:
            conditions.append((f"kind IN ({','.join('?' * len(wanted))})", wanted))
        for text, value in (
            ("camera = ?", camera),
            ("identity = ?", identity),
            ("epoch >= ?", since),
            ("epoch < ?", until),
        ):
            if value is not None:
                conditions.append((text, (value,)))
        where = " AND ".join(text for text, _ in conditions)
        values = [value for _, given in conditions for value in given]
        order = "DESC" if newest_first else "ASC"
        rows = self._store.rows(
            f"SELECT id, epoch, data FROM events WHERE {where} ORDER BY id {order} LIMIT ?", [*values, limit]
        )
        return [StoredEvent(row["id"], row["epoch"], _numbered(row)) for row in rows]

    async def follow(self, after: int, *, pause: float = 15.0) -> AsyncIterator[list[StoredEvent]]:
        """All events after a number, as they come; an empty list every `pause` seconds without any."""
        waiter = _Waiter(asyncio.get_running_loop(), asyncio.Event())
        with self._changing:
            self._waiting.add(waiter)
        try:
            while not self.closing:
                waiter.event.clear()
                found = await asyncio.to_thread(self.find, after=after)
                if found:
                    after = found[-1].id
                    yield found
                    continue
                try:
                    await asyncio.wait_for(waiter.event.wait(), pause)
                except TimeoutError:
                    yield []
        finally:
            with self._changing:
                self._waiting.discard(waiter)


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter:
    loop: asyncio.AbstractEventLoop
    event: asyncio.Event

    def wake(self) -> None:
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.event.set)


def _numbered(row: Any) -> str:
    return f'{{"id": {row["id"]}, {row["data"][1:]}'


def site_event(kind: str, **content: Any) -> dict[str, Any]:
    """An event of the site's own, as the engine's events are."""
    date = utc_text(steady_time()).replace("+00:00", "Z")
    return {"event": kind, "time": 0.0, "date": date, "camera": "", "track": 0, "identity": 0, **content}
