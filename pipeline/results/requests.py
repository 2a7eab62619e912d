"""`requests.db` of a live run: corrections by hand that are asked for, and those that were made.

A run that goes on looks into it; a later start of the run takes up who was merged.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from relaytrack.pipeline.errors import InputError, OutputError
from relaytrack.pipeline.identity.same_people import SamePeople
from relaytrack.pipeline.results.folder import open_private
from relaytrack.pipeline.results.run_lock import RunLock
from relaytrack.trackers.identities.store_file import file_reason

NAME = "requests.db"
State = Literal["asked", "begun", "failed", "done", "refused"]
_SCHEMA = """
CREATE TABLE IF NOT EXISTS requests (
    id INTEGER PRIMARY KEY AUTOINCREMENT, asked REAL NOT NULL, kind TEXT NOT NULL, wanted TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'asked', plan TEXT, answer TEXT NOT NULL DEFAULT '');
"""


@dataclass(frozen=True, slots=True)
class Request:
    """A correction that somebody asks for.

    Attributes:
        id: its number in the folder.
        kind: "merge", "split" or "forget".
        wanted: `people` of a merge (the first stays); `person` and `tracks` or `at` of a split; `person` and `videos`.
        state: "asked"; "begun", it is being carried out; "failed", that failed and is tried again; "done"; "refused".
        plan: the correction as JSON, from when it is begun until it is done.
        answer: what was done, or why not, in one line.
    """

    id: int
    kind: str
    wanted: dict[str, Any]
    state: State
    plan: str | None
    answer: str


class Requests:
    """The requests of a folder. The file is made with the first request."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME

    @contextmanager
    def _open(self, *, make: bool = False) -> Iterator[sqlite3.Connection | None]:
        if not make and not self._path.exists():
            yield None
            return
        try:
            if not self._path.exists():
                open_private(self._path, "ab").close()
            with closing(sqlite3.connect(self._path, timeout=10.0)) as database, database:
                database.execute("PRAGMA secure_delete=ON")
                database.executescript(_SCHEMA)
                yield database
        except sqlite3.Error as error:
            raise OutputError(f"{self._path}: {file_reason(error, self._path)}") from None

    def ask(self, kind: str, wanted: dict[str, Any], state: State = "asked") -> int:
        """Put a request; its number.

        Raises:
            OutputError: the folder cannot be written.
        """
        with self._open(make=True) as database:
            assert database is not None
            values = (time.time(), kind, json.dumps(wanted), state)
            row = database.execute("INSERT INTO requests (asked, kind, wanted, state) VALUES (?, ?, ?, ?)", values)
            return int(row.lastrowid or 0)

    def note(self, number: int, state: State, *, plan: str | None = None, answer: str = "") -> None:
        """How far a request has come.

        Raises:
            OutputError: the folder cannot be written.
        """
        with self._open(make=True) as database:
            assert database is not None
            values = (state, plan, answer, number)
            database.execute("UPDATE requests SET state = ?, plan = ?, answer = ? WHERE id = ?", values)

    def fail(self, number: int, answer: str) -> None:
        """A request could not be carried out this time; its plan stays, and it is tried again.

        Raises:
            OutputError: the folder cannot be written.
        """
        with self._open(make=True) as database:
            assert database is not None
            database.execute("UPDATE requests SET state = 'failed', answer = ? WHERE id = ?", (answer, number))

    def answer(self, number: int, gone: Callable[[], bool], patience: float) -> str | None:
        """Wait until a run that goes on has carried a request out.

        Args:
            number: the request's.
            gone: whether the run has ended, however.
            patience: seconds.

        Returns:
            What was done, in one line; None where the run has ended before it answered.

        Raises:
            InputError: it refused.
            OutputError: it has not answered, or could not do it yet.
        """
        end = time.monotonic() + patience
        while True:
            ended = gone()
            request = self.get(number)
            if request.state == "refused":
                raise InputError(request.answer)
            if request.state == "done":
                return request.answer
            if ended:
                return None
            if request.state == "failed":
                raise OutputError(f"{request.answer}; it is tried again")
            if time.monotonic() > end:
                raise OutputError(f"{self._path.parent}: the run has not answered; it does it as soon as it can")
            time.sleep(0.1)

    def open(self) -> list[Request]:
        """Those that wait to be carried out, or whose carrying out was cut short or failed."""
        return self._find("state IN ('asked', 'begun', 'failed')")

    def get(self, number: int) -> Request:
        """One request.

        Raises:
            OutputError: there is none of this number.
        """
        found = self._find("id = ?", number)
        if not found:
            raise OutputError(f"{self._path}: there is no request {number}")
        return found[0]

    def merged(self) -> dict[int, int]:
        """Numbers that go by another one, by all merges that were made."""
        people = SamePeople()
        for request in self._find("kind = 'merge' AND state = 'done'"):
            keep, *others = request.wanted["people"]
            for gone in others:
                people.merge(keep, gone)
        return people.merged

    def _find(self, where: str, *values: Any) -> list[Request]:
        with self._open() as database:
            if database is None:
                return []
            query = f"SELECT id, kind, wanted, state, plan, answer FROM requests WHERE {where} ORDER BY id"
            rows = database.execute(query, values).fetchall()
        return [Request(row[0], row[1], json.loads(row[2]), row[3], row[4], row[5]) for row in rows]


def settle(
    folder: Path, kind: str, wanted: dict[str, Any], carry_out: Callable[[Request], str], patience: float
) -> str:
    """Ask for a correction, and carry it out here where no program that runs in the folder does.

    Args:
        folder: of the run or of the site.
        kind: as of `Request`.
        wanted: as of `Request`.
        carry_out: does what a request asks for, and says so in one line; also called for those that an earlier command
            or the run itself could not finish.
        patience: seconds that a run which goes on gets.

    Returns:
        What was done, in one line.

    Raises:
        InputError: it was refused.
        OutputError: a file cannot be written, or the run has not answered.
    """
    lock, requests = RunLock(folder), Requests(folder)
    number = requests.ask(kind, wanted)
    try:
        answer = requests.answer(number, lock.acquire, patience)
        if answer is not None:
            return answer
        for request in requests.open():
            try:
                done = carry_out(request)
            except InputError as error:
                if requests.get(request.id).plan is not None:  # begun already: a file of the folder cannot be read
                    requests.fail(request.id, str(error))
                    raise OutputError(str(error)) from None
                requests.note(request.id, "refused", answer=str(error))
            else:
                requests.note(request.id, "done", answer=done)
        return requests.answer(number, lambda: True, 0.0) or ""
    finally:
        lock.release()
