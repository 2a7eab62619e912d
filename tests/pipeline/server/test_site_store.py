"""The site's SQLite file: threads, transactions, files that are none."""

import os
from pathlib import Path
from threading import Barrier, Thread

import pytest

from relaytrack.pipeline.errors import OutputError
from relaytrack.pipeline.server.connections import KEPT
from relaytrack.pipeline.server.store import SiteStore


def open_files(folder: Path) -> int:
    links = [Path("/proc/self/fd", name) for name in os.listdir("/proc/self/fd")]
    return sum(os.path.islink(link) and os.readlink(link).startswith(f"{folder}/") for link in links)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="this system does not list open files in /proc")
def test_threads_that_come_and_go_leave_no_open_files_behind(tmp_path: Path) -> None:
    store = SiteStore(tmp_path / "site.sqlite")

    def look(together: Barrier) -> None:
        together.wait()
        for _ in range(20):
            store.rows("SELECT count(*) FROM events")

    for _ in range(6):
        together = Barrier(8)
        threads = [Thread(target=look, args=(together,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    # The file and its log; SQLite closes a file only when no other connection holds a lock on it.
    assert 0 < open_files(tmp_path) <= 2 * (KEPT + 8) < 6 * 8
    store.close()
    assert open_files(tmp_path) == 0


def test_a_transaction_is_seen_from_inside_and_by_others_when_it_is_done(tmp_path: Path) -> None:
    store = SiteStore(tmp_path / "site.sqlite")
    count = "SELECT count(*) AS n FROM forgotten"
    seen: list[int] = []
    other = Thread(target=lambda: seen.append(store.rows(count)[0]["n"]))
    with store.writing() as database:
        database.execute("INSERT INTO forgotten VALUES (7)")
        assert store.rows(count)[0]["n"] == 1
        other.start()
        other.join()
    assert seen == [0]
    assert store.rows(count)[0]["n"] == 1
    with pytest.raises(OutputError), store.writing() as database:
        database.execute("INSERT INTO forgotten VALUES (8)").execute("no SQL")
    assert store.rows(count)[0]["n"] == 1
    store.close()


def test_a_file_that_is_none_is_refused_and_let_go(tmp_path: Path) -> None:
    path = tmp_path / "site.sqlite"
    path.write_text("no database at all, but longer than a header of SQLite's would be " * 20)
    with pytest.raises(OutputError, match=r"site\.sqlite"):
        SiteStore(path)
    if Path("/proc/self/fd").is_dir():
        assert open_files(tmp_path) == 0
