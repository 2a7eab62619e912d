"""The spool: order, restarts, its limit, and gaps that are told."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from relaytrack.pipeline.errors import OutputError
from relaytrack.pipeline.sinks.outgoing.spool import Spool


def events(*numbers: int) -> list[dict[str, object]]:
    return [{"event": "enter", "camera": "west", "identity": number} for number in numbers]


def bodies(spool: Spool, most: int = 1000) -> list[dict[str, object]]:
    return [json.loads(message.body) for message in spool.take(most)]


def test_events_stay_until_they_are_done_also_over_a_restart(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "a" / "spool.db")
    spool.add(events(1, 2, 3))
    first = spool.take(2)
    assert [json.loads(m.body)["identity"] for m in first] == [1, 2]
    spool.done(first)
    spool.close()
    again = Spool(tmp_path / "a" / "spool.db")
    again.add(events(4))
    found = again.take(10)
    assert [json.loads(m.body)["identity"] for m in found] == [3, 4]
    ids = [m.id for m in (*first, *found)]
    assert len(set(ids)) == 4
    assert ids[0].rsplit("-", 1)[0] == ids[3].rsplit("-", 1)[0]
    again.done(found)
    assert len(again) == 0
    again.add(events(5))
    assert again.take(1)[0].id not in ids  # a number is used once, also after all are gone
    again.close()
    assert (tmp_path / "a" / "spool.db").stat().st_mode & 0o077 == 0


def test_a_killed_process_loses_no_event_that_was_added(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from relaytrack.pipeline.sinks.outgoing.spool import Spool\n"
        "spool = Spool(Path(sys.argv[1]))\n"
        "for n in range(50): spool.add([{'event': 'enter', 'camera': 'w', 'identity': n}])\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "s.db")], check=False, timeout=60)
    assert done.returncode == -9
    spool = Spool(tmp_path / "s.db")
    assert [body["identity"] for body in bodies(spool)] == list(range(50))
    spool.close()


def test_beyond_the_limit_the_oldest_go_and_the_gap_says_how_many(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s.db", limit=5000)
    for number in range(1, 301):
        spool.add(events(number))
    found = bodies(spool)
    gap, rest = found[0], found[1:]
    assert gap["event"] == "dropped"
    numbers = [body["identity"] for body in rest]
    assert numbers == list(range(301 - len(numbers), 301))
    assert gap["count"] == 300 - len(numbers)
    source = str(gap["id"]).split("-")[0]
    assert (gap["first"], gap["last"]) == (f"{source}-1", f"{source}-{gap['count']}")
    assert gap["id"] == f"{source}-{gap['count']}-dropped"
    spool.close()


def test_events_with_the_sender_are_not_dropped(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s.db", limit=3000)
    spool.add(events(*range(1, 11)))
    sent = spool.take(10)
    for number in range(11, 200):
        spool.add(events(number))
    spool.done(sent)
    found = bodies(spool)
    numbers = [body["identity"] for body in found[1:]]
    assert found[0]["count"] == 199 - 10 - len(numbers)
    spool.close()


def test_events_that_are_refused_become_a_gap(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s.db")
    spool.add(events(1, 2, 3))
    spool.refused(spool.take(2))
    gap, last = spool.take(10)
    assert (gap.kind, json.loads(gap.body)["count"], last.kind) == ("dropped", 2, "enter")
    spool.refused([gap])  # a gap that is refused too simply goes
    assert [message.kind for message in spool.take(10)] == ["enter"]
    spool.close()


def test_events_that_the_disk_did_not_take_are_told(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s.db")
    spool.add(events(1))
    pages = spool._database.execute("PRAGMA page_count").fetchone()[0]
    spool._database.execute(f"PRAGMA max_page_count={pages}")  # as a full disk
    text = {"event": "enter", "camera": "w", "text": "x" * 500}
    with pytest.raises(OutputError, match="full"):
        [spool.add([text]) for _ in range(1000)]
    kept = len(spool)
    spool._database.execute("PRAGMA max_page_count=100000")
    spool.add(events(9))
    found = bodies(spool)
    assert [body["event"] for body in found[kept:]] == ["dropped", "enter"]
    assert found[kept]["count"] == 1
    spool.close()


def test_a_second_user_and_a_file_of_something_else_are_refused_in_one_line(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s.db")
    with pytest.raises(OutputError, match="another run or sink is using it"):
        Spool(tmp_path / "s.db")
    spool.close()
    (tmp_path / "text.db").write_text("no database at all\n" * 100)
    with pytest.raises(OutputError, match=r"text\.db: file is not a database"):
        Spool(tmp_path / "text.db")
